// What is known of one album: its items, newest first, kept up to date from listings, uploads and events.
//
// Tells listeners "items" (some came, went or changed shape), "item" (detail: one changed) and "loaded".
import { getAlbum, listImages } from "../server.js";
import { itemOfCard, itemOfFile, releaseFile, takeCard, takeEvent } from "./item.js";

const FIRST_PAGE = 200;
const NEXT_PAGES = 2000;
const GATHER_MS = 250;
const RELEASE_MS = 20_000;
const MOST_STRAYS = 5000;

const shapeOf = (item) => `${item.width}x${item.height}`;

export class AlbumStore extends EventTarget {
  items = [];
  isLoaded = false;
  #byId = new Map();
  #strays = new Map();
  #gone = new Set();
  #loading = null;
  #gathering = 0;

  constructor(albumId) {
    super();
    this.albumId = albumId;
  }

  find(key) {
    return this.#byId.get(key) ?? this.items.find((item) => item.key === key) ?? null;
  }

  /** Read the whole listing and agree with it. Calls at the same time share one reading. */
  load() {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  async #load() {
    const startedAt = performance.now();
    const order = [];
    let hasNew = false;
    for (let after = null, above = null, limit = FIRST_PAGE; ; limit = NEXT_PAGES) {
      const askedAt = performance.now();
      const page = await listImages(this.albumId, limit, after);
      const taken = this.#takePage(page.images, askedAt, above);
      hasNew ||= taken.fresh.length > 0;
      order.push(...page.images.map(({ id }) => id));
      after = page.next;
      above = taken.last;
      if (!after) break;
    }
    const listed = new Set(order);
    // What became known while this was read may be missing from it without being gone.
    const gone = this.#keep((item) => !item.id || listed.has(item.id) || item.knownAt >= startedAt);
    if (hasNew) this.#arrange(order);
    this.isLoaded = true;
    this.#tell("items");
    gone.forEach((item) => this.#tellOf(item));
    this.#tell("loaded");
  }

  /** Stand in the server's order, with what it has not listed yet in front. */
  #arrange(order) {
    const place = new Map(order.map((id, index) => [id, index]));
    this.items = this.items.toSorted((a, b) => (place.get(a.id) ?? -1) - (place.get(b.id) ?? -1));
  }

  /** Take in chosen files before anything is sent, on top or below an item. Returns their items. */
  addFiles(inspected, below = null) {
    const items = inspected.map(({ file, ...found }) => itemOfFile(file, found, this.albumId));
    this.items.splice(below ? this.items.indexOf(below) + 1 : 0, 0, ...items);
    if (items.length) this.#tell("items");
    return items;
  }

  /** The server accepted an item's file under an id. */
  accepted(item, answer) {
    const { image_id: id, job_id: jobId, thumbnail_id: thumbnailId } = answer;
    const double = this.#byId.get(id);
    Object.assign(item, { id, jobId, thumbnailId, stage: "queued", progress: 1, knownAt: performance.now() });
    if (double && double !== item) {
      // An event was faster than the answer, and the listing had it already.
      this.#keep((other) => other !== double);
      Object.assign(item, { stage: double.stage, code: double.code, hasPicture: double.hasPicture });
      if (double.placeholder) item.placeholder = double.placeholder;
    }
    this.#byId.set(id, item);
    if (double?.isGone) {
      this.#tell("items");
      this.#tellOf(double);
    }
    for (const event of this.#strays.get(id) ?? []) takeEvent(item, event);
    this.#strays.delete(id);
    if (this.#gone.has(id)) this.remove(item);
    else this.changed(item);
    this.#gatherSoon();
  }

  /** Take in a public event about this album's images. */
  take(event) {
    const id = event.data.image_id;
    if (!id || this.#gone.has(id)) return;
    const item = this.#byId.get(id);
    if (event.type === "io.album.image.deleted.v1") {
      this.#gone.add(id);
      this.#strays.delete(id);
      if (item) this.remove(item);
    } else if (!item) {
      this.#keepStray(id, event);
    } else {
      const shape = shapeOf(item);
      if (takeEvent(item, event)) this.changed(item);
      if (shape !== shapeOf(item)) this.#tell("items");
    }
  }

  /** Something about an item changed that is not its shape. */
  changed(item) {
    if (item.stage === "stopped") this.#gatherSoon();
    if (item.stage === "ready" && item.file) setTimeout(() => releaseFile(item), RELEASE_MS);
    this.#tellOf(item);
  }

  remove(item) {
    this.removeAll([item]);
  }

  removeAll(items) {
    // The answer to a deletion and the event that tells of it come in any order.
    const going = new Set(items.filter((item) => !item.isGone));
    if (!going.size) return;
    for (const { id } of going) if (id) this.#gone.add(id);
    this.#keep((item) => !going.has(item));
    this.#tell("items");
    going.forEach((item) => this.#tellOf(item));
  }

  /** Read what events would have told: what is new, and everything if something is gone. */
  async look() {
    if (!this.isLoaded) return this.load();
    await this.refresh();
    const { album_snapshot: album } = await getAlbum(this.albumId);
    if (album.content_count < this.items.filter(({ id }) => id).length) await this.load();
  }

  /** Read the newest pages until all that is new, and all that is not settled, has been seen. */
  async refresh() {
    const unsettled = (item) => item.id && !["ready", "failed"].includes(item.stage);
    const open = new Set(this.items.filter(unsettled).map(({ id }) => id));
    for (let after = null, above = null; ; ) {
      const askedAt = performance.now();
      const page = await listImages(this.albumId, FIRST_PAGE, after);
      const taken = this.#takePage(page.images, askedAt, above);
      for (const { id } of page.images) open.delete(id);
      after = page.next;
      above = taken.last;
      if (!after || (open.size === 0 && taken.fresh.length < page.images.length)) break;
    }
  }

  #keepStray(id, event) {
    // Uploaded elsewhere, or here a moment ago with the answer still to come.
    if (this.#strays.size < MOST_STRAYS) this.#strays.set(id, [...(this.#strays.get(id) ?? []), event]);
    this.#gatherSoon();
  }

  #gatherSoon() {
    if (this.#gathering || !this.#strays.size) return;
    this.#gathering = setTimeout(async () => {
      this.#gathering = 0;
      try {
        if (this.#strays.size) await this.refresh();
      } catch {
        // The connection is away; when it is back, all is read again.
      }
    }, GATHER_MS);
  }

  /**
   * Take in a page of a listing whose last page ended with `above`. What is new stands at once where it is listed, behind
   * what is listed before it: a reading may break off, and what is known by its id must be among the items.
   */
  #takePage(cards, askedAt, above) {
    const fresh = cards.map((card) => this.#take(card, askedAt)).filter(Boolean);
    const isNew = new Set(fresh);
    const listed = cards.map(({ id }) => this.#byId.get(id)).filter(Boolean);
    const behind = new Map();
    let known = above?.isGone ? null : above;
    for (const item of listed) {
      if (!isNew.has(item)) known = item;
      else if (behind.has(known)) behind.get(known).push(item);
      else behind.set(known, [item]);
    }
    const next = listed.find((item) => !isNew.has(item)) ?? this.items.find((item) => item.id);
    const top = next ? this.items.indexOf(next) : this.items.length;
    const items = [...this.items.slice(0, top), ...(behind.get(null) ?? []), ...this.items.slice(top)];
    this.items = items.flatMap((item) => [item, ...(behind.get(item) ?? [])]);
    if (fresh.length) this.#tell("items");
    return { fresh, last: listed.at(-1) ?? above };
  }

  /** Take in a card of a listing asked for at a time; returns its item if it is new, else null. */
  #take(card, askedAt) {
    if (this.#gone.has(card.id)) return null;
    const known = this.#byId.get(card.id);
    if (known) {
      const shape = shapeOf(known);
      if (takeCard(known, card, askedAt)) this.changed(known);
      if (shape !== shapeOf(known)) this.#tell("items");
      return null;
    }
    if (this.#mayBeOurs(card)) return null;
    const item = Object.assign(itemOfCard(card, this.albumId), { knownAt: performance.now() });
    for (const event of this.#strays.get(card.id) ?? []) takeEvent(item, event);
    this.#strays.delete(card.id);
    this.#byId.set(item.id, item);
    return item;
  }

  /** Whether it may be what an upload here is about to learn the id of: then it must not stand here twice meanwhile. */
  #mayBeOurs(card) {
    return this.#strays.has(card.id) && this.items.some((item) => item.stage === "uploading" && item.name === card.name);
  }

  /** Keep some items. Returns the others, which are gone: who knows them is yet to be told. */
  #keep(isKept) {
    const gone = this.items.filter((item) => !isKept(item));
    this.items = this.items.filter(isKept);
    for (const item of gone) {
      if (item.id) this.#byId.delete(item.id);
      item.isGone = true;
      setTimeout(() => releaseFile(item), RELEASE_MS);
    }
    return gone;
  }

  #tellOf(item) {
    this.dispatchEvent(new CustomEvent("item", { detail: item }));
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }
}
