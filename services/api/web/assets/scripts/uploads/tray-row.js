// One file in the tray: its picture, its stage, why it failed, and what can be done about it.
import { isFailed, isSending, tileAddress } from "../album/item.js";
import { el, setText } from "../dom.js";
import { icon } from "../icons.js";
import { Picture } from "../pictures/picture.js";
import { reason, stage } from "../words.js";
import { shareDone } from "./activity.js";

export class TrayRow {
  constructor(item, actions) {
    this.item = item;
    this.picture = new Picture("");
    this.stage = el("span", { class: "row-stage" });
    this.bar = el("progress", { max: 1, value: 0, "aria-label": `Progress of ${item.name}` });
    this.retry = el("button", { type: "button", class: "icon-button", "data-changes": true, title: "Try again", "aria-label": `Try ${item.name} again` }, icon("retry"));
    this.cancel = el("button", { type: "button", class: "icon-button", "data-changes": true }, icon("close"));
    const thumbnail = el("span", { class: "row-picture", "aria-hidden": "true" }, icon("picture"), this.picture.element);
    const text = el("span", { class: "row-text" }, el("span", { class: "row-name", dir: "auto", title: item.name }, item.name), this.stage, this.bar);
    this.element = el("li", { class: "tray-row" }, thumbnail, text, this.retry, this.cancel);
    this.retry.addEventListener("click", () => actions.retry(item));
    this.cancel.addEventListener("click", () => (isSending(item) ? actions.cancel(item) : actions.remove(item)));
  }

  update(top, position, total) {
    const { item } = this;
    this.element.style.transform = `translateY(${top}px)`;
    this.element.dataset.stage = item.stage;
    this.element.setAttribute("aria-posinset", position);
    this.element.setAttribute("aria-setsize", total);
    const isWrong = item.stage === "refused" || isFailed(item);
    const text = item.stage === "refused" ? item.message : isFailed(item) ? reason(item.code, item.message) : stage(item);
    setText(this.stage, text);
    this.stage.title = text;
    this.bar.hidden = isWrong || item.stage === "ready";
    this.bar.value = shareDone(item);
    this.retry.hidden = !isFailed(item);
    this.cancel.hidden = !isSending(item) && !isFailed(item);
    const label = isSending(item) ? "Cancel" : "Remove";
    this.cancel.title = label;
    this.cancel.setAttribute("aria-label", `${label} ${item.name}`);
    this.picture.hint(item.placeholder);
    const address = item.stage === "refused" ? null : tileAddress(item);
    if (address) this.picture.show(address);
  }
}
