// Looks at a chosen file before it is sent: its format, its shape, and whether the server would refuse it.
import { allows, limits } from "../limits.js";
import { REFUSED } from "../words.js";
import { sizeOf } from "./size.js";
import { sniff } from "./sniff.js";

const FIRST_LOOK = 64 * 1024;
const SECOND_LOOK = 255 * 1024;

/** `{format, width, height, refusal}`; width and height are upright and null if unknown, refusal a sentence or null. */
export async function inspect(file) {
  const found = { format: null, width: null, height: null, refusal: null };
  if (file.isUnreadable) return { ...found, refusal: REFUSED.unreadable() };
  if (file.size === 0) return { ...found, refusal: REFUSED.empty() };
  try {
    let look = await lookAt(file, FIRST_LOOK);
    if (look.format && !look.shown && file.size > FIRST_LOOK) look = await lookAt(file, SECOND_LOOK);
    const [width, height] = look.shown ?? [null, null];
    return { format: look.format, width, height, refusal: refusalOf(file, look) };
  } catch {
    return { ...found, refusal: REFUSED.unreadable() };
  }
}

async function lookAt(file, length) {
  const view = new DataView(await file.slice(0, length).arrayBuffer());
  const format = sniff(view);
  return { format, ...(format && sizeOf(view, format)) };
}

const isOver = (size) => !allows(...size);

function refusalOf(file, { format, stored, shown, coded }) {
  if (!format) return REFUSED.format();
  if (file.size > limits.bytes) return REFUSED.bytes(file.size);
  if (stored && isOver(stored)) return REFUSED.size(...stored);
  // Turned or cropped: too large beyond doubt only if it is so either way.
  if (coded && isOver(coded) && isOver(shown)) return REFUSED.size(...shown);
  return null;
}
