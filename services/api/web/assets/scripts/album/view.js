// The page of one album: its bar, its grid, its viewer, kept in step with the store.
import { announce } from "../announce.js";
import { removeAlbum } from "../albums/deletion.js";
import { el, setText } from "../dom.js";
import { icon, iconButton } from "../icons.js";
import { notify, showConnection } from "../notices.js";
import { albumLink, go, imageLink, leaf, replace, settle } from "../route.js";
import { getAlbum } from "../server.js";
import { cancel } from "../uploads/queue.js";
import { count, reason, taken } from "../words.js";
import { Viewer } from "../viewer/viewer.js";
import { remove, retry } from "./actions.js";
import { choosers } from "./choosers.js";
import { Grid } from "./grid.js";
import { Live } from "../live.js";

export class AlbumView {
  #listeners = new AbortController();
  #wantedImage = null;
  #position = 0;
  #isDeleting = false;
  #isClosing = false;
  #isFromList = false;
  #y = null;

  /** `onFiles(files)` takes in what is chosen; `activity` is told of what is not finished. */
  constructor(store, activity, onFiles) {
    this.store = store;
    this.activity = activity;
    const actions = {
      cancel: (item) => cancel(store, item),
      retry: (item) => retry(store, item),
      remove: (item) => remove(store, item),
      turnTo: (item) => this.#turnTo(item),
      close: () => this.#closeViewer(),
      rest: (y) => this.#noteScroll(y),
    };
    this.grid = new Grid(actions);
    this.viewer = new Viewer(actions);
    this.name = el("h1", { class: "page-title", dir: "auto", tabindex: "-1" });
    this.total = el("p", { class: "page-detail" });
    const heading = el("div", { class: "page-heading" }, this.name, this.total);
    const back = el("a", { class: "icon-button", href: "#/", "aria-label": "All albums", title: "All albums" }, icon("back"));
    const trash = iconButton("trash", "Delete the album", { "data-changes": true, onclick: () => this.#delete() });
    this.bar = el("header", { class: "page-bar" }, back, heading, ...choosers(onFiles), trash);
    this.empty = el(
      "div",
      { class: "empty", hidden: true },
      icon("upload"),
      el("h2", {}, "No pictures yet"),
      el("p", { "data-changes": true }, "Drop pictures or folders anywhere on this page, paste them, or choose them with the button above."),
      el("p", { class: "empty-fine", "data-changes": true }, taken()),
    );
    this.element = el("main", { class: "page album-page", id: "main" }, this.bar, this.empty, this.grid.element, this.viewer.element);
    this.live = new Live(store.albumId, () => this.#look());
  }

  async open(image) {
    const { signal } = this.#listeners;
    const on = (target, type, listener) => target.addEventListener(type, listener, { signal });
    on(this.store, "items", () => this.#showItems());
    on(this.store, "loaded", () => this.#loaded());
    on(this.store, "item", ({ detail }) => this.#showItem(detail));
    on(this.live, "event", ({ detail }) => this.#take(detail));
    on(this.live, "missed", () => this.#load());
    on(this.live, "status", ({ detail }) => showConnection(detail));
    this.activity.open(this.store);
    this.#wantedImage = image;
    this.#isFromList = Boolean(history.state?.isFromList);
    this.#y = image ? null : (history.state?.y ?? null);
    this.grid.open();
    this.#showItems();
    this.#showName();
    // Events first, so that nothing falls between them and the listing.
    await this.live.open();
    await this.#load();
  }

  close() {
    this.#listeners.abort();
    this.live.close();
    this.grid.close();
    this.viewer.hide();
    showConnection("live");
    this.activity.leave();
  }

  /** The address asks for an image, or for none. */
  turn(image) {
    this.#wantedImage = image;
    this.#isClosing = false;
    // Noted in the history, which knows it after a reload too: the grid is one step back from here.
    if (image && !this.viewer.item) history.replaceState({ isFromGrid: true, isFromList: this.#isFromList }, "");
    if (!image) this.#hideViewer();
    else if (this.store.find(image)) this.#showWanted();
    else this.#load();
  }

  async #showName() {
    try {
      const { album_snapshot: album } = await getAlbum(this.store.albumId);
      // The empty heading has had the focus since the album was opened: nothing would read out what comes to stand in it.
      if (!this.name.textContent) announce(album.name);
      setText(this.name, album.name);
      document.title = `${album.name} - Album`;
    } catch (error) {
      this.#failed(error);
    }
  }

  async #load() {
    try {
      await this.store.load();
      if (!this.name.textContent) await this.#showName();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #look() {
    try {
      await this.store.look();
    } catch (error) {
      if (error.code === "album-not-found") this.#leave();
      throw error;
    }
  }

  #failed(error) {
    if (this.#listeners.signal.aborted) return;
    if (error.code === "album-not-found" || error.code === "invalid-request") {
      this.#leave();
      return;
    }
    this.live.again();
    if (error.code !== "unreachable") notify(reason(error.code, error.message));
    else if (this.live.status === "connecting") showConnection("away");
  }

  /** The album is gone. */
  #leave() {
    if (this.#listeners.signal.aborted) return;
    this.#listeners.abort();
    notify(this.#isDeleting ? "The album was deleted." : "This album does not exist any more.");
    const { isFromGrid, isFromList } = history.state ?? {};
    // Back to the list where it was left, so that nothing of the album stays in the history behind it.
    if (isFromList) history.go(isFromGrid && !this.#isClosing ? -2 : -1);
    else go("#/", true);
  }

  #take(event) {
    if (event.type === "io.album.album.deleted.v1") this.#leave();
    else this.store.take(event);
  }

  #showItems() {
    const { items, isLoaded } = this.store;
    this.grid.show(items, isLoaded ? this.#y : null);
    if (isLoaded) this.#y = null;
    this.viewer.showItems(items);
    this.empty.hidden = items.length > 0 || !isLoaded;
    setText(this.total, isLoaded ? count(items.length, "picture") : "");
    if (this.#wantedImage) this.#showWanted();
  }

  /** Noted in the history, for when the page is loaded again or come back to: the browser cannot know how long it will be. */
  #noteScroll(y) {
    if (!this.#wantedImage && this.#y === null) history.replaceState({ ...history.state, y }, "");
  }

  #loaded() {
    this.activity.pickUp(this.store.items);
    if (this.#wantedImage && !this.store.find(this.#wantedImage)) {
      notify("This picture does not exist any more.");
      this.#closeViewer();
    }
  }

  #showItem(item) {
    this.grid.update(item);
    this.viewer.update(item);
    if (this.viewer.item !== item) return;
    if (item.isGone) this.#turnFromGone();
    else if (item.id && this.#wantedImage !== item.id) {
      // The chosen file has become an image: its address is one that can be shared now.
      this.#wantedImage = item.id;
      replace(imageLink(this.store.albumId, item.id));
    }
  }

  #showWanted() {
    const { items } = this.store;
    const item = this.store.find(this.#wantedImage);
    if (!item) return;
    this.#position = items.indexOf(item);
    if (this.viewer.item !== item) this.viewer.show(item, items);
  }

  #turnTo(item) {
    // Turning pages is one step in the history, so that "back" leads to the album.
    leaf(imageLink(this.store.albumId, item.id ?? item.key));
  }

  #turnFromGone() {
    const { items } = this.store;
    const next = items[Math.min(this.#position, items.length - 1)];
    if (next) this.#turnTo(next);
    else this.#closeViewer();
  }

  #closeViewer() {
    // The browser goes back in a moment, not at once: asking again meanwhile would lead out of the album.
    if (this.#isClosing) return;
    this.#isClosing = Boolean(history.state?.isFromGrid);
    settle();
    if (this.#isClosing) history.back();
    else go(albumLink(this.store.albumId), true);
  }

  #hideViewer() {
    const { item } = this.viewer;
    this.viewer.hide();
    if (!item) return;
    // In the next frame: until then the browser scrolls to where the page was when the viewer was opened.
    requestAnimationFrame(() => {
      if (this.element.isConnected && !this.viewer.item && !this.grid.focus(item)) this.name.focus();
    });
  }

  async #delete() {
    const { albumId, items, isLoaded } = this.store;
    const pictures = isLoaded ? items.length : null;
    // Its event may come before the answer.
    const onYes = () => (this.#isDeleting = true);
    this.#isDeleting = await removeAlbum(albumId, this.name.textContent, pictures, onYes);
    if (this.#isDeleting) this.#leave();
  }
}
