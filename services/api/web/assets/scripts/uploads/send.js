// Sends one file. XMLHttpRequest, since fetch does not tell how much has been sent.
import { MAX_NAME } from "../limits.js";
import { answerOf, ServerError, uploadAddress } from "../server.js";

/** A key that makes sending the same file again harmless if the first answer was lost. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Send an item's file. Resolves to the answer; rejects with a ServerError whose `retryAfter` is in seconds, or null.
 * An aborted `signal` rejects with code "cancelled".
 */
export function send(item, key, signal, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const fail = (error) => reject(Object.assign(error, { retryAfter: retryAfterOf(request) }));
    request.open("POST", uploadAddress());
    request.setRequestHeader("idempotency-key", key);
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress(event.loaded / event.total));
    request.addEventListener("error", async () => fail(await whatBroke(item.file)));
    request.addEventListener("abort", () => fail(new ServerError("cancelled", "the upload was cancelled")));
    request.addEventListener("load", () => {
      try {
        resolve(answerOf(request.status, request.responseText));
      } catch (error) {
        fail(error);
      }
    });
    const abort = () => request.abort();
    request.addEventListener("loadend", () => signal.removeEventListener("abort", abort));
    signal.addEventListener("abort", abort);
    request.send(formOf(item));
  });
}

/** The browser tells a file that it cannot read any more, since it was moved or changed, as a lost connection. */
async function whatBroke(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    return new ServerError("unreadable", "the file cannot be read");
  }
  return new ServerError("unreachable", "the connection was lost");
}

function formOf(item) {
  const form = new FormData();
  // The album comes first, so that the server can refuse an upload to one that is gone before the bytes.
  form.append("album_id", item.albumId);
  form.append("image_name", item.name.slice(0, MAX_NAME));
  form.append("image", item.file, item.name);
  return form;
}

function retryAfterOf(request) {
  const seconds = Number(request.readyState >= 2 && request.getResponseHeader("retry-after"));
  return seconds > 0 ? seconds : null;
}
