// Makes an album: once, though its answer may be lost and it is asked for again.
import { askName } from "../dialogs.js";
import { MAX_NAME } from "../limits.js";
import { notify } from "../notices.js";
import { createAlbum } from "../server.js";
import { reason } from "../words.js";

/**
 * Make an album of a name that the person is asked for, again after a failure for as long as they are there. Returns
 * its id and name, or null.
 */
export async function makeAlbum(isThere) {
  const question = { title: "New album", label: "Name", yes: "Create", maxLength: MAX_NAME, value: "", detail: null };
  for (let id; ; ) {
    const name = await askName(question);
    if (!name) return null;
    // What was asked for under another name may have been made, too.
    if (name !== question.value) id = newId();
    try {
      await make(name, id);
      return { id, name };
    } catch (error) {
      const problem = `The album could not be created. ${reason(error.code, error.message)}`;
      if (!isThere()) {
        notify(problem);
        return null;
      }
      Object.assign(question, { value: name, detail: problem });
    }
  }
}

async function make(name, id, isAgain = false) {
  try {
    await createAlbum(name, id);
  } catch (error) {
    // Nobody else has this id: it was made, and only the answer was lost.
    if (error.code === "album-exists") return;
    if (error.code !== "unreachable" || isAgain) throw error;
    await make(name, id, true);
  }
}

/** A random UUID of version 4, which browsers make themselves only where https keeps secrets. */
function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
