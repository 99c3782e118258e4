// The tray in the corner: how all uploads stand in one line, and each of them in a list.
import { announce } from "../announce.js";
import { el, inOrder, setText } from "../dom.js";
import { icon, iconButton, setLabel } from "../icons.js";
import { count, REFUSED } from "../words.js";
import { TrayRow } from "./tray-row.js";

const SPARE_ROWS = 4;
const MOST_ROWS = 6;
const BETWEEN_MS = 120;
// The longest sentences that rows have room for, with their buttons.
const LONGEST = [
  { stage: "stopped", code: "unsupported-codec" },
  { stage: "refused", message: REFUSED.size(99_999, 99_999) },
];

export class Tray {
  #rows = new Map();
  #entries = [];
  #timer = 0;
  #said = "";
  #y = 0;
  #rowHeight = 0;

  /** `actions` has `cancel(item)`, `retry(item)`, `remove(item)` and `retryAll()`. */
  constructor(activity, actions) {
    this.activity = activity;
    this.actions = actions;
    this.title = el("h2", { class: "tray-title", id: "tray-title" });
    this.bar = el("progress", { max: 1, value: 0, "aria-labelledby": "tray-title" });
    this.retryAll = el("button", { type: "button", class: "button small", "data-changes": true, onclick: () => actions.retryAll() }, "Retry all failed");
    this.fold = iconButton("down", "", { "aria-controls": "tray-list", onclick: () => this.#toggle() });
    this.dismiss = iconButton("close", "Clear the list", { onclick: () => activity.clear() });
    this.list = el("ul", { class: "tray-list" });
    this.measure = el("ul", { class: "tray-measure", "aria-hidden": "true" }, ...LONGEST.map((item) => sample(item)));
    this.scroller = el("div", { class: "tray-scroller", id: "tray-list", tabindex: "0", role: "group", "aria-labelledby": "tray-title" }, this.list, this.measure);
    const buttons = el("div", { class: "tray-actions" }, this.retryAll, this.fold, this.dismiss);
    const head = el("div", { class: "tray-head" }, this.title, buttons);
    this.element = el("section", { class: "tray", "aria-labelledby": "tray-title", hidden: true }, head, this.bar, this.scroller);
    this.scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    new ResizeObserver(() => this.#measure()).observe(this.measure);
    new ResizeObserver(() => this.#keepClear()).observe(this.element);
    activity.addEventListener("entries", () => this.#later());
    activity.addEventListener("entry", () => this.#later());
    this.#setOpen(true);
  }

  #onScroll() {
    this.#y = this.scroller.scrollTop;
    this.#draw();
  }

  #measure() {
    const height = this.measure.offsetHeight;
    if (!height || height === this.#rowHeight) return;
    this.#rowHeight = height;
    this.scroller.style.setProperty("--row", `${height}px`);
    this.#draw();
  }

  /** Let the page end, and what has the focus stand, above what this covers. */
  #keepClear() {
    const height = this.element.offsetHeight;
    document.documentElement.style.setProperty("--covered", height ? `calc(${height}px + var(--edge))` : "0px");
  }

  #toggle() {
    this.#setOpen(this.scroller.hidden);
    this.#later();
  }

  #setOpen(isOpen) {
    this.scroller.hidden = !isOpen;
    this.fold.ariaExpanded = String(isOpen);
    setLabel(this.fold, isOpen ? "Fold the list" : "Show the list");
    this.fold.replaceChildren(icon(isOpen ? "down" : "up"));
  }

  #later() {
    // A few times a second is often enough to look alive.
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      requestAnimationFrame(() => this.#draw());
    }, BETWEEN_MS);
  }

  #draw() {
    const focused = document.activeElement;
    const hadFocus = this.element.contains(focused);
    this.#drawAll();
    if (hadFocus && !focused.checkVisibility()) this.#holdFocus();
  }

  /** What had the focus is gone. */
  #holdFocus() {
    const title = document.querySelector(".page-title");
    [this.scroller, this.fold, title].find((one) => one?.checkVisibility())?.focus();
  }

  #drawAll() {
    this.#entries = this.activity.entries;
    this.element.hidden = this.#entries.length === 0;
    const summary = this.activity.summary();
    const sentence = sentenceOf(summary);
    setText(this.title, sentence);
    this.bar.value = summary.progress;
    this.bar.hidden = summary.sending + summary.working === 0;
    this.retryAll.hidden = summary.failed < 1;
    this.dismiss.hidden = summary.sending + summary.working === this.#entries.length;
    this.#say(summary, sentence);
    if (!this.scroller.hidden && this.#rowHeight) this.#drawRows();
  }

  #drawRows() {
    this.list.style.height = `${this.#entries.length * this.#rowHeight}px`;
    const first = Math.max(0, Math.floor(this.#y / this.#rowHeight) - SPARE_ROWS);
    const shown = this.#entries.slice(first, first + MOST_ROWS + 2 * SPARE_ROWS);
    for (const [item, row] of this.#rows) {
      if (shown.includes(item)) continue;
      row.element.remove();
      this.#rows.delete(item);
    }
    const rows = shown.map((item) => this.#rows.get(item) ?? new TrayRow(item, this.actions));
    inOrder(
      this.list,
      rows.map(({ element }) => element),
    );
    rows.forEach((row, index) => {
      this.#rows.set(row.item, row);
      row.update((first + index) * this.#rowHeight, first + index + 1, this.#entries.length);
    });
  }

  #say({ sending, working, failed, refused }, sentence) {
    // Not every percent: when it begins, when something fails, and when all is done.
    const turn = `${sending + working > 0} ${failed} ${refused}`;
    if (turn === this.#said) return;
    this.#said = turn;
    if (this.#entries.length) announce(sentence, "tray");
  }
}

function sample(item) {
  const row = new TrayRow({ name: "a", progress: 0, ...item }, {});
  row.update(0, 1, 1);
  return row.element;
}

function sentenceOf({ sending, working, failed, done, refused }) {
  const problems = [failed && `${failed} failed`, refused && `${refused} not accepted`].filter(Boolean).join(", ");
  const progress = sending
    ? `Uploading ${count(sending, "picture")}`
    : working
      ? `Preparing ${count(working, "picture")}`
      : done
        ? `${count(done, "picture")} ready`
        : "";
  return [progress, problems].filter(Boolean).join(", ");
}

