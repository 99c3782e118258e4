// One picture in the viewer, as large as fits, in a box of its final size from the start.
import { fullAddress, isFailed, standing, tileAddress } from "../album/item.js";
import { el, setText } from "../dom.js";
import { icon } from "../icons.js";
import { Picture } from "../pictures/picture.js";

const UNKNOWN = [960, 720];
const AGAIN_MS = 3000;

export class Slide {
  #timer = 0;

  constructor(item) {
    this.item = item;
    this.picture = new Picture(item.name);
    this.title = el("span", { dir: "auto" });
    this.detail = el("span", { class: "slide-detail" });
    this.blank = el("div", { class: "slide-blank" }, icon("picture"), this.title, this.detail);
    this.box = el("div", { class: "slide-box" }, this.blank, this.picture.element);
    this.element = el("div", { class: "slide" }, this.box);
    this.update();
  }

  update() {
    const { item } = this;
    this.element.dataset.stage = item.stage;
    const isKnown = item.width && item.height;
    const [width, height] = isKnown ? [item.width, item.height] : UNKNOWN;
    this.box.style.setProperty("--width", width);
    this.box.style.setProperty("--height", height);
    setText(this.title, item.name);
    setText(this.detail, [isFailed(item) ? null : item.format, standing(item)].filter(Boolean).join(" · "));
    this.picture.hint(item.placeholder);
    this.blank.hidden = Boolean(item.placeholder);
    this.#show();
  }

  #show() {
    const full = fullAddress(this.item);
    const small = tileAddress(this.item);
    // The tile's picture is most likely at hand already: it stands in until the large one is decoded.
    if (!this.picture.isShowing && small && small !== full) this.picture.show(small).then((image) => this.#shown(image));
    else this.#showFull();
  }

  #shown(image) {
    if (image) this.element.dataset.shows = this.picture.element.dataset.shows;
    this.#showFull();
  }

  async #showFull() {
    const address = fullAddress(this.item);
    if (!address || address === this.picture.shown) return;
    const image = await this.picture.show(address);
    if (image) this.element.dataset.shows = this.picture.element.dataset.shows;
    // The server is asked again as long as the slide is there; a chosen file shows now or never.
    else if (image === null && address !== this.item.url) this.#again();
  }

  #again() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.element.isConnected && this.#showFull(), AGAIN_MS);
  }
}
