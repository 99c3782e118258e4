// The first page: all albums, newest first.
import { announce } from "../announce.js";
import { el, inOrder, setText } from "../dom.js";
import { icon } from "../icons.js";
import { notify, showConnection } from "../notices.js";
import { albumLink, go } from "../route.js";
import { listAlbums } from "../server.js";
import { leaveButton } from "../session/leaving.js";
import { count, reason } from "../words.js";
import { Live } from "../live.js";
import { AlbumCard } from "./card.js";
import { makeAlbum } from "./creation.js";
import { removeAlbum } from "./deletion.js";

const GATHER_MS = 500;

export class AlbumsView {
  #cards = new Map();
  #gone = new Set();
  #asked = 0;
  #read = 0;
  #timer = 0;
  #isClosed = false;
  #left;

  /** `left` is the id of the album that the person comes back from, if any. */
  constructor(left) {
    this.#left = left;
    const create = () => el("button", { type: "button", class: "button primary", "data-changes": true, onclick: () => this.#create() }, icon("add"), "New album");
    this.total = el("p", { class: "page-detail" });
    this.title = el("h1", { class: "page-title", tabindex: "-1" }, "Albums");
    const heading = el("div", { class: "page-heading" }, this.title, this.total);
    this.list = el("ul", { class: "albums", "aria-label": "Albums" });
    this.empty = el(
      "div",
      { class: "empty", hidden: true },
      icon("picture"),
      el("h2", {}, "No albums yet"),
      el("p", { "data-changes": true }, "An album holds the pictures of a day, a journey or a person. Create the first one to begin."),
      create(),
    );
    this.element = el("main", { class: "page", id: "main" }, el("header", { class: "page-bar" }, heading, create(), leaveButton()), this.empty, this.list);
    this.live = new Live(null, () => this.#load());
    this.live.addEventListener("event", ({ detail }) => this.#onEvent(detail));
    this.live.addEventListener("missed", () => this.#loadAnew());
    this.live.addEventListener("status", ({ detail }) => showConnection(detail));
  }

  async open() {
    document.title = "Album";
    const following = this.live.open();
    await this.#load().catch((error) => {
      if (this.#isClosed) return;
      if (error.code !== "unreachable") notify(reason(error.code, error.message));
      else if (this.live.status === "connecting") showConnection("away");
    });
    await following;
    // For what happened after the listing was read and before events came.
    this.#loadSoon();
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.live.close();
    showConnection("live");
  }

  #onEvent({ type, data }) {
    if (type === "io.album.album.deleted.v1") this.#forget(data.album_id);
    else if (/album\.created|uploaded|deleted|thumbnail/.test(type)) {
      this.#cards.get(data.album_id)?.expire();
      this.#loadSoon();
    }
  }

  #loadAnew() {
    for (const card of this.#cards.values()) card.expire();
    this.#loadSoon();
  }

  #loadSoon() {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#load().catch(() => this.live.again());
    }, GATHER_MS);
  }

  async #load() {
    const turn = (this.#asked += 1);
    const albums = [];
    for (let after = null; ; ) {
      const page = await listAlbums(after);
      albums.push(...page.albums);
      after = page.next;
      if (!after || this.#isClosed) break;
    }
    // One that was asked for later knows more; of what was deleted meanwhile only its event does.
    if (this.#isClosed || turn < this.#read) return;
    this.#read = turn;
    this.#show(albums.filter(({ id }) => !this.#gone.has(id)));
  }

  #show(albums) {
    const ids = new Set(albums.map(({ id }) => id));
    for (const id of this.#cards.keys()) if (!ids.has(id)) this.#drop(id);
    const cards = albums.map((album) => {
      let card = this.#cards.get(album.id);
      if (!card) {
        card = new AlbumCard(album, () => this.#delete(card.album));
        this.#cards.set(album.id, card);
      }
      card.update(album);
      return card.element;
    });
    inOrder(this.list, cards);
    this.#count();
    this.#return();
  }

  /** Go on where the person left the list for an album, unless they are somewhere else in it already. */
  #return() {
    const card = this.#cards.get(this.#left);
    this.#left = null;
    if (card && document.activeElement === this.title) card.link.focus();
  }

  #count() {
    this.empty.hidden = this.#cards.size > 0;
    setText(this.total, count(this.#cards.size, "album"));
  }

  /** An album was deleted: no listing brings it back. */
  #forget(id) {
    this.#gone.add(id);
    this.#drop(id);
  }

  #drop(id) {
    const element = this.#cards.get(id)?.element;
    const hadFocus = element?.contains(document.activeElement);
    element?.remove();
    this.#cards.delete(id);
    if (hadFocus) this.title.focus();
    this.#count();
  }

  async #create() {
    const album = await makeAlbum(() => !this.#isClosed);
    if (!album) return;
    if (this.#isClosed) notify(`${album.name} was created.`);
    else go(albumLink(album.id));
  }

  async #delete(album) {
    if (!(await removeAlbum(album.id, album.name, album.content_count))) return;
    this.#forget(album.id);
    announce(`${album.name} deleted`);
    this.title.focus();
  }
}
