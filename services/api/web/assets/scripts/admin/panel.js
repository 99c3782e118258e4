// A titled part of the operators' page that is drawn anew only when what it shows has changed, so that whoever is
// about to press a button in it still can.
import { el } from "../dom.js";

export class Panel {
  #shown = "";
  #draw;

  constructor(title, draw, ...actions) {
    this.#draw = draw;
    const id = `panel-${title.toLowerCase().replaceAll(" ", "-")}`;
    this.body = el("div", { class: "scrolled", tabindex: "0", role: "group", "aria-labelledby": id });
    this.element = el(
      "section",
      { class: "panel", "aria-labelledby": id },
      el("div", { class: "panel-head" }, el("h2", { id }, title), ...actions),
      this.body,
    );
  }

  show(value) {
    const now = JSON.stringify(value);
    if (now === this.#shown) return;
    this.#shown = now;
    const hadFocus = this.body.contains(document.activeElement);
    this.body.replaceChildren(...[this.#draw(value)].flat());
    // Not on the button that stands there now: it may be another one's.
    if (hadFocus) this.body.focus({ preventScroll: true });
  }
}

/** A table; cells are texts or elements. */
export function table(heads, rows) {
  const row = (cells, kind) => el("tr", {}, ...cells.map((cell) => el(cell === "" ? "td" : kind, {}, cell)));
  return el("table", { class: "table" }, el("thead", {}, row(heads, "th")), el("tbody", {}, ...rows.map((cells) => row(cells, "td"))));
}

export function button(label, onclick) {
  return el("button", { type: "button", class: "button small", onclick }, label);
}

export function actions(...buttons) {
  return el("div", { class: "table-actions" }, ...buttons);
}
