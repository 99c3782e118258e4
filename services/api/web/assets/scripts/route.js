// Deep links: #/album/<id> and #/album/<id>/image/<id>.

export const albumLink = (albumId) => `#/album/${albumId}`;
export const imageLink = (albumId, key) => `#/album/${albumId}/image/${key}`;

export function currentRoute() {
  const [, section, albumId, kind, image] = location.hash.split("/");
  if (section !== "album" || !albumId) return { albumId: null, image: null };
  return { albumId, image: kind === "image" && image ? image : null };
}

/** Go to a link; `isReplacing` keeps it out of the history, where what was noted of the place stays. */
export function go(link, isReplacing = false) {
  if (location.hash === link) return;
  if (isReplacing) history.replaceState(history.state, "", link);
  else history.pushState(null, "", link);
  dispatchEvent(new Event("route"));
}

export function onRoute(listener) {
  for (const kind of ["route", "popstate"]) addEventListener(kind, listener);
}
