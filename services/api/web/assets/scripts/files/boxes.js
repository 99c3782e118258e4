// The boxes of HEIF and AVIF files (ISO/IEC 14496-12, 23008-12): which item is shown, and its properties.
import { letters } from "./sniff.js";

const MOST_BOXES = 20_000;

function* boxes(view, start, end) {
  for (let n = 0; start < end && n < MOST_BOXES; n += 1) {
    let size = view.getUint32(start);
    let header = 8;
    if (size === 1) {
      size = Number(view.getBigUint64(start + 8));
      header = 16;
    } else if (size === 0) {
      size = end - start;
    }
    if (size < header || start + size > end) throw new RangeError("a box ends outside its parent");
    yield { kind: letters(view, start + 4, 4), start: start + header, end: start + size };
    start += size;
  }
}

/** The primary item's kind and properties, or null where the file does not say, or not yet. */
export function primaryItem(view) {
  try {
    for (const box of boxes(view, 0, Number.MAX_SAFE_INTEGER)) {
      if (box.kind === "meta") return box.end <= view.byteLength ? readPrimary(view, box) : null;
    }
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
  }
  return null;
}

function readPrimary(view, meta) {
  const parts = Object.fromEntries([...boxes(view, meta.start + 4, meta.end)].map((box) => [box.kind, box]));
  const read = (start, isLong) => (isLong ? view.getUint32(start) : view.getUint16(start));
  const id = read(parts.pitm.start + 4, view.getUint8(parts.pitm.start) > 0);
  const inside = [...boxes(view, parts.iprp.start, parts.iprp.end)];
  const container = inside.find((box) => box.kind === "ipco");
  const all = [...boxes(view, container.start, container.end)];
  const indexes = inside.filter((box) => box.kind === "ipma").flatMap((box) => associated(view, box, id, read));
  return { kind: kindOf(view, parts.iinf, id, read), properties: indexes.map((index) => all[index - 1]) };
}

function kindOf(view, iinf, id, read) {
  for (const entry of boxes(view, iinf.start + (view.getUint8(iinf.start) ? 8 : 6), iinf.end)) {
    const version = view.getUint8(entry.start);
    const length = version === 2 ? 2 : 4;
    if (version >= 2 && read(entry.start + 4, length === 4) === id) return letters(view, entry.start + 6 + length, 4);
  }
  return null;
}

function associated(view, ipma, id, read) {
  const isLongId = view.getUint8(ipma.start) > 0;
  const isLongIndex = (view.getUint8(ipma.start + 3) & 1) === 1;
  const found = [];
  let position = ipma.start + 8;
  for (let left = view.getUint32(ipma.start + 4); left > 0; left -= 1) {
    const owner = read(position, isLongId);
    position += isLongId ? 4 : 2;
    const properties = view.getUint8(position);
    position += 1;
    for (let i = 0; i < properties; i += 1) {
      const index = isLongIndex ? view.getUint16(position) & 0x7fff : view.getUint8(position) & 0x7f;
      position += isLongIndex ? 2 : 1;
      if (owner === id && index) found.push(index);
    }
  }
  return found;
}
