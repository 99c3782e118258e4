// A box that shows one picture at a time and changes to another without a flicker: the new one is decoded first, put
// on top, and only then is the old one taken away. The box's own size never depends on what it shows.
import { el } from "../dom.js";
import { paint } from "./thumbhash.js";

export class Picture {
  #image = null;
  #canvas = null;
  #hash = null;
  #wanted = null;
  #pending = null;

  constructor(name) {
    this.element = el("span", { class: "picture" });
    this.name = name;
    this.shown = null;
  }

  /**
   * Show the picture at an address once it is decoded. Resolves to its image element; to null if it cannot be shown, to
   * undefined if another one was asked for meanwhile.
   */
  show(address) {
    if (this.#wanted !== address) {
      this.#wanted = address;
      this.#pending = this.#change(address);
    }
    return this.#pending;
  }

  async #change(address) {
    const image = el("img", { alt: this.name, draggable: "false" });
    image.src = address;
    try {
      await image.decode();
    } catch {
      if (this.#wanted !== address) return undefined;
      this.#wanted = this.shown;
      this.#pending = Promise.resolve(this.#image);
      return null;
    }
    if (this.#wanted !== address) return undefined;
    this.#swap(image, address);
    return image;
  }

  /** Show the blurred placeholder under whatever comes. */
  hint(hash) {
    if (!hash || hash === this.#hash || this.#image) return;
    const painted = paint(hash);
    if (!painted) return;
    this.#hash = hash;
    const canvas = el("canvas", { width: painted.width, height: painted.height, "aria-hidden": "true" });
    canvas.getContext("2d").putImageData(painted, 0, 0);
    this.#canvas?.remove();
    this.element.prepend(canvas);
    this.#canvas = canvas;
  }

  /** Whether any picture, not only a placeholder, is on screen. */
  get isShowing() {
    return this.#image !== null;
  }

  #swap(image, address) {
    const old = this.#image;
    this.#image = image;
    this.shown = address;
    const isLocal = address.startsWith("blob:");
    // Said now, for good: a picture that may fade in later would do so again whenever what keeps it from that ends.
    if (!old && !isLocal && !this.element.closest(".is-scrolling")) image.classList.add("is-arriving");
    this.element.append(image);
    this.element.dataset.shows = isLocal ? "local" : "server";
    // Two frames: the new one must have been painted before the old one, and the blur, go.
    const retire = () => {
      old?.remove();
      this.#canvas?.remove();
      this.#canvas = null;
    };
    if (old) requestAnimationFrame(() => requestAnimationFrame(retire));
    else setTimeout(retire, 400);
  }
}
