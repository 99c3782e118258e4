// Asks before an album is deleted, wherever its button is.
import { confirm } from "../dialogs.js";
import { notify } from "../notices.js";
import { deleteAlbum } from "../server.js";
import { count, reason } from "../words.js";

/**
 * Delete an album after asking; the number of its `pictures` is null if unknown. `onYes()` is told before the server is.
 * Returns whether it is gone.
 */
export async function removeAlbum(id, name, pictures, onYes = () => {}) {
  const all = pictures === null ? "pictures" : count(pictures, "picture");
  const detail = `The album and its ${all} are deleted for good.`;
  if (!(await confirm({ title: `Delete ${name}?`, detail, yes: "Delete album" }))) return false;
  onYes();
  try {
    await deleteAlbum(id);
  } catch (error) {
    if (error.code !== "album-not-found") {
      notify(`The album could not be deleted. ${reason(error.code, error.message)}`);
      return false;
    }
  }
  return true;
}
