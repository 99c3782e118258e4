// The viewer: one picture over the whole page, its neighbours loaded beside it. Keys, swipes and buttons turn it.
import { downloadAddress, isFailed, standing } from "../album/item.js";
import { announce, voice } from "../announce.js";
import { el, setText } from "../dom.js";
import { icon, iconButton } from "../icons.js";
import { bytes } from "../words.js";
import { Slide } from "./slide.js";
import { onSwipe } from "./swipe.js";

/** What a key does a button does too, for those who are offered it. */
const press = (offered) => offered.checkVisibility() && offered.click();

export class Viewer {
  #items = [];
  #item = null;
  #slides = new Map();

  /** `actions` has `turnTo(item)`, `close()`, `remove(item)` and `retry(item)`. */
  constructor(actions) {
    this.actions = actions;
    this.title = el("h2", { class: "viewer-name", id: "viewer-name", dir: "auto" });
    this.detail = el("p", { class: "viewer-detail" });
    this.download = el("a", { class: "icon-button", "data-changes": true, "aria-label": "Download the original", title: "Download the original" }, icon("download"));
    this.retry = iconButton("retry", "Try again", { "data-changes": true, onclick: () => actions.retry(this.#item) });
    this.remove = iconButton("trash", "Delete", { "data-changes": true, onclick: () => actions.remove(this.#item) });
    this.leave = iconButton("back", "Back to the album", { onclick: () => actions.close() });
    this.before = iconButton("previous", "Previous picture", { class: "icon-button viewer-before", onclick: () => this.#turn(-1) });
    this.after = iconButton("next", "Next picture", { class: "icon-button viewer-after", onclick: () => this.#turn(1) });
    this.strip = el("div", { class: "viewer-strip" });
    const heading = el("div", { class: "viewer-heading" }, this.title, this.detail);
    const bar = el("header", { class: "viewer-bar" }, this.leave, heading, this.retry, this.download, this.remove);
    this.stage = el("div", { class: "viewer-stage", tabindex: "-1" }, this.strip, this.before, this.after);
    this.element = el("dialog", { class: "viewer", "aria-labelledby": "viewer-name" }, bar, this.stage, voice());
    this.#listen();
  }

  /** What it shows, until `hide`: a browser may close the dialog by itself, without asking twice. */
  get item() {
    return this.#item;
  }

  /** Open at, or turn to, an item. */
  show(item, items) {
    this.#items = items;
    this.#item = item;
    if (!this.element.open) {
      this.element.showModal();
      this.stage.focus();
    }
    this.#draw();
    const index = items.indexOf(item);
    announce(`${item.name}, picture ${index + 1} of ${items.length}`, "viewer");
  }

  hide() {
    this.element.close();
    this.#item = null;
    this.#slides.clear();
    this.strip.replaceChildren();
  }

  /** The album's items changed. */
  showItems(items) {
    if (!this.element.open || this.#item.isGone) return;
    this.#items = items;
    this.#draw();
  }

  update(item) {
    this.#slides.get(item)?.update();
    if (item === this.#item && this.element.open) this.#describe();
  }

  #neighbour(step) {
    return this.#items[this.#items.indexOf(this.#item) + step] ?? null;
  }

  #draw() {
    const wanted = new Map();
    for (const step of [0, 1, -1]) {
      const item = this.#neighbour(step);
      if (!item) continue;
      const slide = this.#slides.get(item) ?? new Slide(item);
      slide.element.dataset.step = step;
      slide.element.inert = step !== 0;
      wanted.set(item, slide);
      if (!slide.element.isConnected) this.strip.append(slide.element);
    }
    for (const [item, slide] of this.#slides) if (!wanted.has(item)) slide.element.remove();
    this.#slides = wanted;
    this.#describe();
  }

  #describe() {
    const item = this.#item;
    const focused = document.activeElement;
    this.element.dataset.stage = item.stage;
    setText(this.title, item.name);
    const size = item.width ? `${item.width} x ${item.height}` : null;
    const position = `${this.#items.indexOf(item) + 1} of ${this.#items.length}`;
    const weight = item.file ? bytes(item.file.size) : null;
    const state = item.stage === "ready" ? null : standing(item);
    setText(this.detail, [position, state, size, weight].filter(Boolean).join(" · "));
    this.before.hidden = !this.#neighbour(-1);
    this.after.hidden = !this.#neighbour(1);
    this.retry.hidden = !isFailed(item);
    this.download.hidden = !downloadAddress(item);
    if (downloadAddress(item)) this.download.href = downloadAddress(item);
    this.download.setAttribute("download", item.name);
    // A hidden button hears no keys, and neither would the viewer.
    if (focused.hidden) this.stage.focus();
  }

  #turn(step) {
    const item = this.#neighbour(step);
    if (item) this.actions.turnTo(item);
  }

  #listen() {
    this.element.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.actions.close();
    });
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.stage.addEventListener("click", (event) => {
      if (event.target.closest(".slide-box, button") === null) this.actions.close();
    });
    onSwipe(
      this.stage,
      (offset) => {
        this.strip.classList.add("is-held");
        this.strip.style.transform = `translateX(${offset}px)`;
      },
      (step) => {
        this.strip.classList.remove("is-held");
        this.strip.style.transform = "";
        if (step) this.#turn(step);
      },
    );
  }

  #onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const acts = {
      ArrowLeft: () => this.#turn(-1),
      ArrowRight: () => this.#turn(1),
      Home: () => this.actions.turnTo(this.#items[0]),
      End: () => this.actions.turnTo(this.#items.at(-1)),
      Delete: () => press(this.remove),
      d: () => press(this.download),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}

