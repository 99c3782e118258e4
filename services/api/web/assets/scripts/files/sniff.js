// Which format a file has, by its first bytes alone: the same rules as the server's.
import { primaryItem } from "./boxes.js";

const AVIF = new Set(["avif", "avis"]);
const HEIF = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"]);
const EITHER = new Set(["mif1", "mif2", "msf1", "miaf"]);
const LONGEST_FTYP = 4096;

/** The letters at an offset of a DataView. */
export function letters(view, start, length) {
  let text = "";
  for (let i = start; i < start + length && i < view.byteLength; i += 1) text += String.fromCharCode(view.getUint8(i));
  return text;
}

/** "JPEG", "PNG", "WEBP", "HEIF", "AVIF", or null for anything else. */
export function sniff(view) {
  if (view.byteLength < 12) return null;
  if (view.getUint32(0) >>> 8 === 0xffd8ff) return "JPEG";
  if (view.getUint32(0) === 0x89504e47 && view.getUint32(4) === 0x0d0a1a0a) return "PNG";
  if (letters(view, 0, 4) === "RIFF" && letters(view, 8, 4) === "WEBP") return "WEBP";
  return letters(view, 4, 4) === "ftyp" ? byBrands(view) : null;
}

function byBrands(view) {
  const size = view.getUint32(0);
  if (size < 16 || size > LONGEST_FTYP || size > view.byteLength) return null;
  const major = letters(view, 8, 4);
  const brands = [major];
  for (let start = 16; start + 4 <= size; start += 4) brands.push(letters(view, start, 4));
  const isAvif = brands.some((brand) => AVIF.has(brand));
  const isHeif = brands.some((brand) => HEIF.has(brand));
  if (isAvif !== isHeif) return isAvif ? "AVIF" : "HEIF";
  if (isAvif && (AVIF.has(major) || HEIF.has(major))) return AVIF.has(major) ? "AVIF" : "HEIF";
  if (!isAvif && !brands.some((brand) => EITHER.has(brand))) return null;
  return primaryItem(view)?.kind === "av01" ? "AVIF" : "HEIF";
}
