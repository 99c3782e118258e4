// What the tray tells about: files chosen in this page, and whatever an open album has that is not finished.
import { isFailed, isFromHere, isSending, isSettled } from "../album/item.js";

/** Tells listeners "entries" (some came or went) and "entry" (detail: one changed). */
export class Activity extends EventTarget {
  #entries = new Set();
  /** What is not settled, and with it what was settled since all was. */
  #unsettled = new Set();
  #work = new Set();
  #followed = new WeakSet();
  #cleared = new WeakSet();
  #openAlbum = null;

  get entries() {
    return [...this.#entries];
  }

  add(items) {
    for (const item of items) {
      this.#entries.add(item);
      this.#cleared.delete(item);
    }
    items.forEach((item) => this.#reckon(item));
    if (items.length) this.dispatchEvent(new Event("entries"));
  }

  /** An open album was read: tell of what is not finished in it, but not again of failures that were cleared. */
  pickUp(items) {
    this.add(items.filter((item) => item.stage !== "ready" && !(isFailed(item) && this.#cleared.has(item))));
  }

  /** A file that is not sent, with the sentence that says why. */
  refuse(files) {
    this.add(files.map(({ file, refusal }) => ({ key: {}, name: file.name, stage: "refused", message: refusal, progress: 0 })));
  }

  /** An album is open: tell of all that it has, and from now on, open or not, of what is sent to it. */
  open(store) {
    this.#openAlbum = store.albumId;
    if (this.#followed.has(store)) return;
    this.#followed.add(store);
    store.addEventListener("item", ({ detail }) => this.#note(detail));
  }

  /** An item of such an album is in some state now. */
  #note(item) {
    const isNew = !this.#entries.has(item);
    this.#reckon(item);
    if (item.isGone) this.drop([item]);
    else if (!isNew) this.dispatchEvent(new CustomEvent("entry", { detail: item }));
    else if (item.stage !== "ready" && this.#isToldOf(item)) this.add([item]);
  }

  #isToldOf(item) {
    if (item.stage === "refused" || item.albumId === this.#openAlbum) return true;
    return isFromHere(item) && (!isSettled(item) || item.stage === "stopped");
  }

  drop(items) {
    const had = this.#entries.size;
    for (const item of items) this.#entries.delete(item);
    items.forEach((item) => this.#reckon(item));
    if (this.#entries.size !== had) this.dispatchEvent(new Event("entries"));
  }

  #reckon(item) {
    const isEntry = this.#entries.has(item);
    const isUnsettled = isEntry && item.stage !== "refused" && !isSettled(item);
    if (isUnsettled) this.#work.add(item);
    else if (!isEntry) this.#work.delete(item);
    this.#unsettled[isUnsettled ? "add" : "delete"](item);
    if (!this.#unsettled.size) this.#work.clear();
  }

  /** Forget what needs no more attention. */
  clear() {
    const cleared = this.entries.filter((item) => item.stage === "refused" || isSettled(item));
    for (const item of cleared) this.#cleared.add(item);
    this.drop(cleared);
  }

  /** The open album is left; what was chosen here for it and is not ready stays, until it is cleared. */
  leave() {
    const left = this.#openAlbum;
    this.#openAlbum = null;
    this.drop(this.entries.filter((item) => item.albumId === left && !this.#isToldOf(item)));
  }

  /** What the server works on in albums that are not open, whose events do not come here. */
  unfollowed() {
    return this.entries.filter((item) => item.jobId && !isSettled(item) && item.albumId !== this.#openAlbum);
  }

  /** `{sending, working, failed, done, refused, progress}`: how many are where, and how much of what is under way is done. */
  summary() {
    const found = { sending: 0, working: 0, failed: 0, done: 0, refused: 0, progress: 0 };
    for (const item of this.#entries) {
      if (item.stage === "refused") found.refused += 1;
      else if (isSending(item)) found.sending += 1;
      else if (isFailed(item)) found.failed += 1;
      else if (item.stage === "ready") found.done += 1;
      else found.working += 1;
    }
    for (const item of this.#work) found.progress += shareDone(item) / this.#work.size;
    return found;
  }
}

const SHARES = { queued: 0.7, encoded: 0.9 };

/** How far along an item is, from 0 to 1. */
export function shareDone(item) {
  return isSending(item) ? item.progress * 0.6 : (SHARES[item.stage] ?? 1);
}
