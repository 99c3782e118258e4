// One picture in the grid: the best there is of it now, how far it is, and what can be done about it.
import { el, setText } from "../dom.js";
import { icon, iconButton, setLabel } from "../icons.js";
import { Picture } from "../pictures/picture.js";
import { meanColour } from "../pictures/thumbhash.js";
import { imageLink } from "../route.js";
import { stage } from "../words.js";
import { isFailed, isSending, tileAddress } from "./item.js";

const HINT_AFTER_MS = 120;
const LATER_MS = [1000, 2000, 4000, 8000];
// The thumbnail usually follows the picture at once; only if it does not is the whole picture worth loading here.
const THUMBNAIL_PATIENCE_MS = 600;

export class Tile {
  #failures = 0;
  #timer = 0;
  #hintTimer = 0;
  #isAwake = false;
  #arriving = null;
  #place = "";
  #isPatient = false;
  #status = null;
  #actions;

  /** `actions` has `cancel(item)`, `retry(item)` and `remove(item)`. */
  constructor(item, actions) {
    this.item = item;
    this.#actions = actions;
    this.picture = new Picture("");
    this.name = el("span", { class: "tile-name", dir: "auto" });
    this.format = el("span");
    this.blank = el("span", { class: "tile-blank", "aria-hidden": "true" }, icon("picture"), this.name, this.format);
    this.link = el("a", { class: "tile-link", draggable: "false", tabindex: "-1" }, this.blank, this.picture.element);
    this.element = el("li", { class: "tile" }, this.link);
    this.update();
  }

  /** Where the tile stands. */
  place(left, top, width, height, position, total) {
    const place = [left, top, width, height, position, total].join();
    if (place === this.#place) return;
    this.#place = place;
    this.top = top;
    this.position = position;
    const { style } = this.element;
    style.transform = `translate(${left}px, ${top}px)`;
    style.width = `${width}px`;
    style.height = `${height}px`;
    this.element.setAttribute("aria-posinset", position);
    this.element.setAttribute("aria-setsize", total);
  }

  update() {
    const { item } = this;
    this.element.dataset.stage = item.stage;
    this.element.dataset.key = item.key;
    this.link.href = imageLink(item.albumId, item.id ?? item.key);
    this.link.setAttribute("aria-label", item.stage === "ready" ? item.name : `${item.name}: ${stage(item)}`);
    setText(this.name, item.name);
    setText(this.format, item.format ?? "");
    this.blank.hidden = (Boolean(item.file) && !item.isUnshowable) || Boolean(item.placeholder);
    this.#showStatus();
    if (this.#isAwake) this.#showPicture();
    else if (item.placeholder) this.link.style.backgroundColor = meanColour(item.placeholder);
  }

  get isAwake() {
    return this.#isAwake;
  }

  /** Begin to show more than a colour: the tile is going to be looked at. */
  wake() {
    if (this.#isAwake) return;
    this.#isAwake = true;
    this.#showPicture();
  }

  /** Load what could not be loaded, if anything: the server is there again. */
  tryAgain() {
    this.#failures = 0;
    if (this.#isAwake) this.#showPicture();
  }

  /** Forget what is under way: the tile has left the screen. */
  drop() {
    clearTimeout(this.#timer);
    clearTimeout(this.#hintTimer);
    this.element.remove();
  }

  async #showPicture() {
    this.#hintSoon();
    const address = tileAddress(this.item);
    if (!address || address === this.picture.shown) return;
    clearTimeout(this.#timer);
    if (this.item.stage === "encoded" && !address.startsWith("blob:") && !this.#isPatient) {
      this.#timer = setTimeout(() => {
        this.#isPatient = true;
        this.#showPicture();
      }, THUMBNAIL_PATIENCE_MS);
      return;
    }
    const arriving = this.picture.show(address);
    if (arriving === this.#arriving) return; // an update while it is decoded: whoever asked first goes on
    this.#arriving = arriving;
    const image = await arriving;
    if (image) {
      this.#failures = 0;
      this.link.style.backgroundColor = "";
      this.element.dataset.shows = this.picture.element.dataset.shows;
    } else if (image === null && address === this.item.url) {
      this.item.isUnshowable = true;
      this.update();
    } else if (image === null && this.element.isConnected && address === tileAddress(this.item) && this.#failures < LATER_MS.length) {
      this.#timer = setTimeout(() => this.#showPicture(), LATER_MS[this.#failures]);
      this.#failures += 1;
    }
  }

  /** Show the blurred placeholder, unless the picture itself comes at once. */
  #hintSoon() {
    if (this.item.placeholder) this.#hintTimer ||= setTimeout(() => this.picture.hint(this.item.placeholder), HINT_AFTER_MS);
  }

  #showStatus() {
    const { item } = this;
    if (item.stage === "ready") {
      this.#status?.element.remove();
      this.#status = null;
      return;
    }
    this.#status ??= this.#makeStatus();
    const { bar, label, retry, cancel } = this.#status;
    bar.hidden = !isSending(item);
    bar.value = item.progress;
    setText(label, stage(item));
    retry.hidden = !isFailed(item);
    cancel.hidden = !isSending(item) && !isFailed(item);
    setLabel(cancel, `${isSending(item) ? "Cancel the upload of" : "Remove"} ${item.name}`);
    setLabel(retry, `Try ${item.name} again`);
  }

  #makeStatus() {
    const bar = el("progress", { max: 1, value: 0, "aria-label": "Sent", tabindex: "-1" });
    const label = el("span", { class: "tile-stage" });
    const { item } = this;
    const { retry: again, cancel: giveUp, remove } = this.#actions;
    const button = (name, onclick) => iconButton(name, "", { "data-changes": true, tabindex: "-1", onclick });
    const retry = button("retry", () => again(item));
    const cancel = button("close", () => (isSending(item) ? giveUp(item) : remove(item)));
    const element = el("div", { class: "tile-status" }, label, retry, cancel, bar);
    this.element.append(element);
    return { element, bar, label, retry, cancel };
  }
}
