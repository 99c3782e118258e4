// The grid: justified rows of any number of pictures, of which only those near the screen are in the page.
import { el, inOrder } from "../dom.js";
import { justify, rowAt } from "./rows.js";
import { Tile } from "./tile.js";

const MARGIN_PX = 800;
// Faster than this nobody sees more than colours; then there is no time for more than colours either.
const FAST_PX_PER_FRAME = 40;
const WAKES_PER_FRAME = 3;
const BAR_PX = 80;
const REST_MS = 150;

export class Grid {
  #items = [];
  #shown = [];
  #layout = { rows: [], height: 0 };
  #tiles = new Map();
  #frame = 0;
  #rest = 0;
  #isStale = true;
  #sizes = null;
  #lastY = 0;
  #wantedY = null;
  #active = null;
  #resize;

  constructor(actions) {
    this.actions = actions;
    this.element = el("ul", { class: "grid", "aria-label": "Pictures" });
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.element.addEventListener("focusin", (event) => this.#onFocus(event));
    this.#resize = new ResizeObserver(() => this.#measure());
  }

  open() {
    this.#resize.observe(this.element);
    addEventListener("scroll", this.#onScroll, { passive: true });
    addEventListener("reconnected", this.#onReconnected);
  }

  close() {
    this.#resize.disconnect();
    removeEventListener("scroll", this.#onScroll);
    removeEventListener("reconnected", this.#onReconnected);
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#rest);
  }

  /** Show these items, with the page scrolled to `y` if it is given; else what the person looks at stays where it is. */
  show(items, y = null) {
    this.#items = items;
    this.#wantedY = y ?? this.#wantedY;
    this.#redo();
  }

  update(item) {
    this.#tiles.get(item)?.update();
  }

  /** Bring an item on screen and give it the focus. Returns whether it is there. */
  focus(item) {
    const row = this.#rowOf(this.#items.indexOf(item));
    if (!row) return false;
    const top = this.element.getBoundingClientRect().top + row.top;
    const bottom = innerHeight - Number.parseFloat(getComputedStyle(document.documentElement).scrollPaddingBottom);
    if (top < BAR_PX || top + row.height > bottom) scrollTo(0, scrollY + top - Math.max(BAR_PX, (bottom - row.height) / 2));
    this.#setActive(item);
    this.#draw();
    this.#tiles.get(item)?.link.focus({ preventScroll: true });
    return true;
  }

  #onScroll = () => {
    this.element.classList.add("is-scrolling");
    // Not by "scrollend", which Safari is only beginning to send.
    clearTimeout(this.#rest);
    this.#rest = setTimeout(this.#onRest, REST_MS);
    this.#later();
  };

  #onRest = () => {
    this.element.classList.remove("is-scrolling");
    this.actions.rest(scrollY);
  };

  #onReconnected = () => {
    for (const tile of this.#tiles.values()) tile.tryAgain();
  };

  /** Ask the browser for sizes when they change, not whenever they are needed: asking makes it lay out the page. */
  #measure() {
    const style = getComputedStyle(this.element);
    const number = (name) => Number.parseFloat(style.getPropertyValue(name));
    const sizes = { width: this.element.clientWidth, top: this.element.offsetTop, target: number("--row-height"), gap: number("--grid-gap") };
    if (JSON.stringify(sizes) === JSON.stringify(this.#sizes)) return;
    this.#sizes = sizes;
    this.#redo();
  }

  #redo() {
    this.#isStale = true;
    this.#later();
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.element.isConnected && this.#sizes) this.#draw();
    });
  }

  #draw() {
    if (this.#isStale) this.#arrange();
    if (this.#wantedY !== null) scrollTo(0, this.#wantedY);
    this.#wantedY = null;
    const { rows } = this.#layout;
    // Read once, before anything is written: afterwards the browser would have to lay out the page to answer.
    const y = scrollY;
    const top = y - this.#sizes.top;
    const first = rowAt(rows, top - MARGIN_PX);
    const seen = new Set();
    for (let i = first; i < rows.length && rows[i].top < top + innerHeight + MARGIN_PX; i += 1) {
      rows[i].boxes.forEach((box, n) => seen.add(this.#put(rows[i], box, rows[i].first + n)));
    }
    this.#keepActive(seen);
    let lost = null;
    for (const [item, tile] of this.#tiles) {
      if (seen.has(item)) continue;
      if (tile.element.contains(document.activeElement)) lost = tile.position;
      tile.drop();
      this.#tiles.delete(item);
    }
    this.#order();
    // Below the bar, which covers as much of the screen as is above the grid.
    this.#stopAt(this.#active ?? this.#anchor(y)?.item);
    const isFast = Math.abs(y - this.#lastY) > FAST_PX_PER_FRAME;
    this.#lastY = y;
    this.#wake(isFast ? 0 : WAKES_PER_FRAME, top + innerHeight / 2);
    if (lost !== null) this.#focusNear(lost);
  }

  #order() {
    const focused = document.activeElement;
    const tiles = [...this.#tiles.values()].sort((a, b) => a.position - b.position);
    inOrder(
      this.element,
      tiles.map(({ element }) => element),
    );
    // One that was moved has lost it.
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  }

  /** The item at a position is gone, and it had the focus: whatever stands there now gets it. */
  #focusNear(position) {
    const item = this.#items[Math.min(position, this.#items.length) - 1];
    const next = this.#tiles.get(item)?.link ?? document.querySelector(".page-title");
    next.focus({ preventScroll: true });
  }

  /** Let some tiles show their pictures, those in the middle of the screen first; the rest follows in later frames. */
  #wake(number, middle) {
    const asleep = [...this.#tiles.values()].filter((tile) => !tile.isAwake);
    asleep.sort((a, b) => Math.abs(a.top - middle) - Math.abs(b.top - middle));
    for (const tile of asleep.slice(0, number)) tile.wake();
    if (asleep.length > number) this.#later();
  }

  #put(row, box, index) {
    const item = this.#items[index];
    let tile = this.#tiles.get(item);
    if (!tile) {
      tile = new Tile(item, this.actions);
      this.#tiles.set(item, tile);
    }
    tile.place(box.left, row.top, box.width, row.height, index + 1, this.#items.length);
    return item;
  }

  #keepActive(seen) {
    // The tile that has the focus stays in the page wherever it is scrolled to, or the focus would be lost.
    if (!this.#active || seen.has(this.#active)) return;
    const index = this.#items.indexOf(this.#active);
    const row = this.#rowOf(index);
    if (row) seen.add(this.#put(row, row.boxes[index - row.first], index));
    else this.#active = null;
  }

  #arrange() {
    this.#isStale = false;
    const { width, top, target, gap } = this.#sizes;
    const hidden = this.#lastY - top;
    const anchor = hidden > 0 ? this.#anchor(hidden) : null;
    this.#shown = this.#items.slice();
    this.#layout = justify(this.#shown, width, target, gap);
    this.element.style.height = `${this.#layout.height}px`;
    const row = anchor && this.#rowOf(this.#items.indexOf(anchor.item));
    if (row && row.top !== anchor.top) scrollBy(0, row.top - anchor.top);
  }

  /** The first item on screen, and where its row stands. */
  #anchor(y) {
    const row = this.#layout.rows[rowAt(this.#layout.rows, y)];
    return row ? { item: this.#shown[row.first], top: row.top } : null;
  }

  #rowOf(index) {
    if (index < 0) return null;
    const { rows } = this.#layout;
    let low = 0;
    let high = rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (rows[middle].first <= index) low = middle;
      else high = middle - 1;
    }
    return rows[low] ?? null;
  }

  #onFocus(event) {
    const key = event.target.closest(".tile")?.dataset.key;
    const item = this.#items.find((one) => one.key === key);
    if (item) this.#setActive(item);
  }

  #setActive(item) {
    this.#active = item;
    this.#stopAt(item);
  }

  /** The Tab key stops at one tile: the one that had the focus last, or else the first on screen. */
  #stopAt(item) {
    for (const tile of this.#tiles.values()) {
      const index = tile.item === item ? 0 : -1;
      if (tile.link.tabIndex !== index) tile.link.tabIndex = index;
    }
  }

  #onKey(event) {
    if (!event.target.classList.contains("tile-link")) return;
    const target = this.#neighbour(event.key, this.#items.indexOf(this.#active));
    if (target === null) return;
    event.preventDefault();
    this.focus(this.#items[Math.min(this.#items.length - 1, Math.max(0, target))]);
  }

  #neighbour(key, index) {
    const row = this.#rowOf(index);
    if (!row) return null;
    if (key === "ArrowRight") return index + 1;
    if (key === "ArrowLeft") return index - 1;
    if (key === "Home") return 0;
    if (key === "End") return this.#items.length - 1;
    if (key !== "ArrowUp" && key !== "ArrowDown") return null;
    const { rows } = this.#layout;
    const other = rows[rows.indexOf(row) + (key === "ArrowDown" ? 1 : -1)];
    if (!other) return null;
    const box = row.boxes[index - row.first];
    const middle = box.left + box.width / 2;
    const below = other.boxes.findIndex(({ left, width }) => left + width >= middle);
    return other.first + (below < 0 ? other.boxes.length - 1 : below);
  }
}
