// Where the page was served from, below which the server's endpoints are: this file is assets/<release>/scripts/server.js.
const ROOT = new URL("../../../", import.meta.url);

/** An answer that says no, or no answer at all (`code` is then "unreachable"). */
export class ServerError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export function address(path) {
  return new URL(path, ROOT).href;
}

async function call(method, path, body) {
  const json = { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let status, text;
  try {
    const response = await fetch(address(path), { method, ...(body && json) });
    status = response.status;
    text = await response.text();
  } catch {
    throw new ServerError("unreachable", "the server cannot be reached");
  }
  return answerOf(status, text);
}

const post = (path, body) => call("POST", path, body);

/** The parsed body of an answer; throws what it refuses. The window is told "unauthorized" when a key is wanted. */
export function answerOf(status, text) {
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // Something in between answered in its own words.
  }
  if (status >= 200 && status < 300 && answer) return answer;
  if (answer?.code === "unauthorized") dispatchEvent(new Event("unauthorized"));
  throw new ServerError(answer?.code ?? "unreachable", answer?.message ?? "the server does not answer");
}

export const getSession = () => call("GET", "session");
export const signIn = (key) => post("session", { key });
export const signOut = () => call("DELETE", "session");
export const listAlbums = (after) => post("album/list", { limit: 200, ...(after && { after }) });
export const createAlbum = (name, id) => post("album/create", { album_name: name, album_id: id });
export const getAlbum = (id) => post("album/get", { album_id: id, limit: 1 });
export const deleteAlbum = (id) => post("album/delete", { album_id: id });
export const deleteImage = (albumId, id) => post("album/image/delete", { album_id: albumId, image_id: id });
export const retryJob = (jobId) => post("job/retry", { job_id: jobId });

export function listImages(albumId, limit, after) {
  return post("album/images", { album_id: albumId, limit, order: "newest", ...(after && { after }) });
}

export const adminStatus = () => post("admin/status", {});
export const failedJobs = (code) => post("admin/failed", { code });
export const retryFailed = (wanted) => post("admin/retry", wanted);
export const deadLetters = () => post("admin/dead-letters", {});
export const retryLetters = (wanted) => post("admin/dead-letters/retry", wanted);
export const dropLetters = (wanted) => post("admin/dead-letters/drop", wanted);
export const checkStore = () => post("admin/check", {});

export const pictureAddress = (albumId, id) => address(`album/${albumId}/image/${id}`);
export const originalAddress = (albumId, id) => `${pictureAddress(albumId, id)}?variant=original`;
export const thumbnailAddress = (id) => address(`album/thumbnail/${id}`);
export const uploadAddress = () => address("album/image/upload");
export const eventsAddress = (albumId) => address(albumId ? `events?album_id=${albumId}` : "events");
