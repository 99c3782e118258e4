// Justified rows: pictures of one height side by side, each row as wide as the page. Pure arithmetic.

const NARROWEST = 0.5;
const WIDEST = 3;
const UNKNOWN_RATIO = 4 / 3;

/** Width by height of an item's tile. */
function ratioOf({ width, height }) {
  if (!width || !height) return UNKNOWN_RATIO;
  return Math.min(WIDEST, Math.max(NARROWEST, width / height));
}

/**
 * Lay out items. Returns `{rows, height}`; a row is `{top, height, first, boxes: [{left, width}]}`.
 *
 * A row is closed once it would be lower than `target`; the last one keeps that height and may end early.
 */
export function justify(items, width, target, gap) {
  const rows = [];
  let top = 0;
  let first = 0;
  let sum = 0;
  const close = (end, height, isFull) => {
    let left = 0;
    const boxes = [];
    for (let i = first; i < end; i += 1) {
      // Whole pixels, the last box taking up what rounding left over, so that edges are sharp and aligned.
      const endsRow = isFull && i === end - 1;
      const box = { left, width: endsRow ? width - left : Math.round(ratioOf(items[i]) * height) };
      boxes.push(box);
      left += box.width + gap;
    }
    rows.push({ top, height, first, boxes });
    top += height + gap;
    first = end;
    sum = 0;
  };
  const heightFor = (number) => (width - gap * (number - 1)) / sum;
  for (let i = 0; i < items.length; i += 1) {
    sum += ratioOf(items[i]);
    const height = heightFor(i + 1 - first);
    if (height <= target) close(i + 1, Math.round(height), true);
  }
  if (first < items.length) close(items.length, target, false);
  return { rows, height: Math.max(0, top - gap) };
}

/** The index of the first row that ends below `y`. */
export function rowAt(rows, y) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].top + rows[middle].height > y) high = middle;
    else low = middle + 1;
  }
  return low;
}
