// What a person can have done to an item, wherever its button is.
import { announce } from "../announce.js";
import { confirm } from "../dialogs.js";
import { notify } from "../notices.js";
import { deleteImage, retryJob } from "../server.js";
import { cancel, resend } from "../uploads/queue.js";
import { count, reason } from "../words.js";
import { isSending } from "./item.js";

const RETRIES_AT_ONCE = 4;

/** Try again what failed: send the file again, or have the server work on it again. */
export const retry = (store, item) => retryAll([[store, item]]);

/** Try items again, each with its store. Those that could not be are told of in one sentence. */
export async function retryAll(pairs) {
  const left = [...pairs];
  const failures = [];
  const worker = async () => {
    while (left.length) {
      const [store, item] = left.shift();
      await begin(store, item).catch((error) => failures.push({ error, name: item.name }));
    }
  };
  await Promise.all(Array.from({ length: RETRIES_AT_ONCE }, worker));
  if (!failures.length) return;
  const [{ error, name }] = failures;
  const what = failures.length === 1 ? name : count(failures.length, "picture");
  notify(`${what} could not be tried again. ${reason(error.code, error.message)}`);
}

async function begin(store, item) {
  if (item.stage === "stopped") resend(item);
  if (item.stage !== "failed") return;
  const { state } = await retryJob(item.jobId);
  // An event may have told more in the meantime.
  if (item.stage === "failed") Object.assign(item, { stage: state, code: null, message: null });
  store.changed(item);
}

const deletion = ({ name }) => ({
  title: "Delete this picture?",
  detail: `${name} and its original are deleted for good.`,
  yes: "Delete",
});

const removal = ({ name }) => ({
  title: "Remove this picture?",
  detail: `${name} will not be uploaded. Your own file stays as it is.`,
  yes: "Remove",
});

/** Delete an item after asking; one that is still being sent is cancelled. Returns whether it is gone. */
export async function remove(store, item) {
  if (!(await confirm(item.id ? deletion(item) : removal(item)))) return false;
  if (isSending(item) || item.stage === "stopped") {
    cancel(store, item);
    return true;
  }
  try {
    await deleteImage(store.albumId, item.id);
  } catch (error) {
    if (error.code !== "image-not-found" && error.code !== "album-not-found") {
      notify(`${item.name} could not be deleted. ${reason(error.code, error.message)}`);
      return false;
    }
  }
  store.remove(item);
  announce(`${item.name} deleted`);
  return true;
}
