// One file in the tray: its picture, its stage, why it failed, and what can be done about it.
import { isFailed, isSending, isWrong, standing, tileAddress } from "../album/item.js";
import { el, setText } from "../dom.js";
import { icon, iconButton, setLabel } from "../icons.js";
import { Picture } from "../pictures/picture.js";
import { shareDone } from "./activity.js";

const AGAIN_MS = 3000;

export class TrayRow {
  #missing = null;

  constructor(item, actions) {
    this.item = item;
    this.picture = new Picture("");
    this.stage = el("span", { class: "row-stage" });
    this.bar = el("progress", { max: 1, value: 0, "aria-label": `Progress of ${item.name}` });
    this.retry = iconButton("retry", `Try ${item.name} again`, { "data-changes": true, onclick: () => actions.retry(item) });
    const onclick = () => (isSending(item) ? actions.cancel(item) : actions.remove(item));
    this.cancel = iconButton("close", "", { "data-changes": true, onclick });
    const thumbnail = el("span", { class: "row-picture", "aria-hidden": "true" }, icon("picture"), this.picture.element);
    const text = el("span", { class: "row-text" }, el("span", { class: "row-name", dir: "auto", title: item.name }, item.name), this.stage, this.bar);
    this.element = el("li", { class: "tray-row" }, thumbnail, text, this.retry, this.cancel);
  }

  update(top, position, total) {
    const { item } = this;
    this.element.style.transform = `translateY(${top}px)`;
    this.element.dataset.stage = item.stage;
    this.element.setAttribute("aria-posinset", position);
    this.element.setAttribute("aria-setsize", total);
    const text = standing(item);
    setText(this.stage, text);
    this.stage.title = text;
    this.bar.hidden = isWrong(item) || item.stage === "ready";
    this.bar.value = shareDone(item);
    this.retry.hidden = !isFailed(item);
    this.cancel.hidden = !isSending(item) && !isFailed(item);
    setLabel(this.cancel, `${isSending(item) ? "Cancel" : "Remove"} ${item.name}`);
    this.picture.hint(item.placeholder);
    const address = item.stage === "refused" ? null : tileAddress(item);
    if (address && address !== this.#missing) this.#show(address);
  }

  /** Show a picture; one that does not come is not asked for at every change, of which there are many a second. */
  async #show(address) {
    if ((await this.picture.show(address)) !== null) return;
    this.#missing = address;
    setTimeout(() => (this.#missing = null), AGAIN_MS);
  }
}
