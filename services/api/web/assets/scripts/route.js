// Deep links: #/album/<id> and #/album/<id>/image/<id>.

export const albumLink = (albumId) => `#/album/${albumId}`;
export const imageLink = (albumId, key) => `#/album/${albumId}/image/${key}`;

// Safari lets no page change its address more than a hundred times in thirty seconds, and a held key turns thirty pages
// in one.
const LEAF_MS = 350;

let notedAt = 0;
let timer = 0;
/** What the address is about to be, if it is not yet. */
let coming = null;

const here = () => coming ?? location.hash;

export function currentRoute() {
  const [, section, albumId, kind, image] = here().split("/");
  if (section !== "album" || !albumId) return { albumId: null, image: null };
  return { albumId, image: kind === "image" && image ? image : null };
}

/** Go to a link; `isReplacing` keeps it out of the history, where what was noted of the place stays. */
export function go(link, isReplacing = false) {
  if (here() === link) return;
  if (isReplacing) replace(link);
  else {
    settle();
    history.pushState(null, "", link);
  }
  dispatchEvent(new Event("route"));
}

/** Go to a link in place of this one, as often as one likes: the address follows now and then, and in the end. */
export function leaf(link) {
  if (here() === link) return;
  coming = link;
  clearTimeout(timer);
  if (performance.now() - notedAt > LEAF_MS) settle();
  else timer = setTimeout(settle, LEAF_MS);
  dispatchEvent(new Event("route"));
}

/** Give the place another address, without going anywhere. */
export function replace(link) {
  coming = link;
  settle();
}

/** Give the place, which is about to be left, the address that it was about to have. */
export function settle() {
  clearTimeout(timer);
  if (coming === null) return;
  history.replaceState(history.state, "", coming);
  notedAt = performance.now();
  coming = null;
}

// Before all others hear of it: the place whose address it was to be has been left.
addEventListener("popstate", () => {
  clearTimeout(timer);
  coming = null;
});

export function onRoute(listener) {
  for (const kind of ["route", "popstate"]) addEventListener(kind, listener);
}
