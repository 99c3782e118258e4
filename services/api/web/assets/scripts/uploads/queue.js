// Which files are sent when: a few at a time, in the order they were chosen; cancelled, stopped and sent again.
import { UPLOADS_AT_ONCE } from "../limits.js";
import { notify } from "../notices.js";
import { address } from "../server.js";
import { count } from "../words.js";
import { newKey, send } from "./send.js";

const TRIES = 4;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;
// Worth another try without asking: the server is busy, or the connection broke.
const PASSING = new Set(["busy", "unavailable", "unreachable", "rate-limited"]);
const LOST_SESSION = { code: "unauthorized", message: null };

const uploads = new Map();
let waiting = [];
const idle = new Set(Array.from({ length: UPLOADS_AT_ONCE }, (_, number) => `upload ${number} to ${address("")}`));
// Nobody is signed in, or somebody else: whatever were sent would be sent in vain.
export let isHeld = false;

/** Queue items of a store. */
export function enqueue(store, items) {
  for (const item of items) {
    uploads.set(item, { store, key: newKey(), controller: new AbortController() });
    waiting.push(item);
  }
  fill();
}

addEventListener("unauthorized", () => {
  isHeld = true;
  for (const item of waiting.splice(0)) stop(item, LOST_SESSION);
});

/** How many files would be lost if the page were closed. */
export const unsent = () => uploads.size;

/** Give up everything: the page is about to be left. */
export function giveUpAll() {
  waiting = [];
  for (const { controller } of uploads.values()) controller.abort();
  uploads.clear();
}

/** Give up an item of a store, and its upload if it is queued already. */
export function cancel(store, item) {
  if (item.id) return; // it was accepted in the moment in which it was given up
  drop(store, new Set([item]));
}

/** The album is gone, and with it all that was to be sent to it. */
function giveUp(store) {
  const items = new Set([...uploads.keys()].filter((item) => uploads.get(item).store === store));
  drop(store, items);
  notify(`${count(items.size, "picture")} could not be added: the album was deleted.`);
}

function drop(store, items) {
  waiting = waiting.filter((item) => !items.has(item));
  for (const item of items) {
    const upload = uploads.get(item);
    uploads.delete(item);
    upload?.controller.abort();
  }
  store.removeAll([...items]);
}

/** Send a stopped item again, under the same key: if the server did get it, it is not stored twice. */
export function resend(item) {
  const upload = uploads.get(item);
  if (!upload || item.stage !== "stopped") return;
  Object.assign(item, { stage: "waiting", code: null, message: null, progress: 0 });
  upload.store.changed(item);
  waiting.push(item);
  fill();
}

/** Send again what was stopped for a reason that is no more, such as "unauthorized". */
export function resendStopped(code) {
  if (code === LOST_SESSION.code) isHeld = false;
  for (const item of uploads.keys()) if (item.code === code) resend(item);
  fill();
}

/** Ask for every place that this tab does not have already: whichever is free first is for the file that waits first. */
function fill() {
  if (isHeld || !waiting.length) return;
  for (const place of idle) {
    idle.delete(place);
    inTurn(place, async () => isHeld || !waiting.length || run(waiting.shift())).finally(() => {
      idle.add(place);
      fill();
    });
  }
}

/** Do some work in a place that only one tab has at a time. Browsers know of other tabs only where https keeps secrets. */
const inTurn = (place, work) => (navigator.locks ? navigator.locks.request(place, work) : work());

async function run(item) {
  const upload = uploads.get(item);
  const { store, key, controller } = upload;
  for (let attempt = 1; ; attempt += 1) {
    if (isHeld) {
      stop(item, LOST_SESSION);
      return;
    }
    Object.assign(item, { stage: "uploading", progress: 0 });
    store.changed(item);
    try {
      const answer = await send(item, key, controller.signal, (progress) => {
        item.progress = progress;
        store.changed(item);
      });
      uploads.delete(item);
      store.accepted(item, answer);
      return;
    } catch (error) {
      if (controller.signal.aborted) return;
      if (isHeld) continue;
      if (error.code === "album-not-found") {
        giveUp(store);
        return;
      }
      if (error.code === "upload-in-progress") {
        queueLater(item, error.retryAfter ? error.retryAfter * 1000 : FIRST_PAUSE_MS);
        return;
      }
      // A server that says when to come back is asked again then, however often.
      if (!PASSING.has(error.code) || (attempt >= TRIES && !error.retryAfter)) {
        stop(item, error);
        return;
      }
      await pause(error.retryAfter ? error.retryAfter * 1000 : FIRST_PAUSE_MS * 2 ** (attempt - 1), controller.signal);
      if (controller.signal.aborted) return;
    }
  }
}

function stop(item, { code, message }) {
  Object.assign(item, { stage: "stopped", code, message });
  uploads.get(item).store.changed(item);
}

/**
 * Queue an item again: the server still holds what a lost connection left of it, for a minute if it crashed. The pauses
 * grow, since each time the file is sent in vain. Others go on meanwhile.
 */
async function queueLater(item, milliseconds) {
  const upload = uploads.get(item);
  const { store, controller } = upload;
  upload.pause = Math.min(Math.max(milliseconds, 2 * (upload.pause ?? 0)), LONGEST_PAUSE_MS);
  Object.assign(item, { stage: "waiting", progress: 0 });
  store.changed(item);
  await pause(upload.pause, controller.signal);
  if (controller.signal.aborted) return;
  waiting.push(item);
  fill();
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}
