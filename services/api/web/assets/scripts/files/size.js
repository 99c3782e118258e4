// How large a picture is, by its first bytes. `stored` is the size that the limits are about, as the server's Pillow
// reports it; `shown` is what a person sees once the picture stands upright; `coded` is what HEIF and AVIF turn and
// crop to get there.
import { primaryItem } from "./boxes.js";
import { exifOrientation } from "./orientation.js";
import { letters } from "./sniff.js";

const SIZES = { JPEG: jpegSize, PNG: pngSize, WEBP: webpSize, HEIF: boxedSize, AVIF: boxedSize };

/** `{stored, shown, coded}`, each `[width, height]` or null where the bytes do not tell. */
export function sizeOf(view, format) {
  try {
    return SIZES[format](view);
  } catch (error) {
    if (error instanceof RangeError) return upright(null);
    throw error;
  }
}

const upright = (size) => ({ stored: size, shown: size, coded: null });
const turned = ([width, height]) => [height, width];

function pngSize(view) {
  return letters(view, 12, 4) === "IHDR" ? upright([view.getUint32(16), view.getUint32(20)]) : upright(null);
}

const isFrame = (marker) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
const isAlone = (marker) => marker === 0 || marker === 0xc8 || (marker >= 0xd0 && marker <= 0xd9);

function jpegSize(view) {
  let orientation = 1;
  let size = null;
  for (let position = 2; position + 4 <= view.byteLength; ) {
    if (view.getUint8(position) !== 0xff) {
      position += 1;
      continue;
    }
    const marker = view.getUint8(position + 1);
    if (marker === 0xff) {
      position += 1;
      continue;
    }
    position += 2;
    if (isAlone(marker)) continue;
    if (marker === 0xda) break;
    if (marker === 0xe1 && letters(view, position + 2, 4) === "Exif") {
      orientation = exifOrientation(view, position + 8) ?? orientation;
    }
    if (isFrame(marker)) {
      size = [view.getUint16(position + 5), view.getUint16(position + 3)];
    }
    position += view.getUint16(position);
  }
  return { ...upright(size), shown: size && orientation >= 5 ? turned(size) : size };
}

function webpSize(view) {
  const kind = letters(view, 12, 4);
  if (kind === "VP8X") {
    return upright([(view.getUint32(24, true) & 0xffffff) + 1, (view.getUint32(26, true) >>> 8) + 1]);
  }
  if (kind === "VP8 ") return upright([view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff]);
  if (kind !== "VP8L") return upright(null);
  const bits = view.getUint32(21, true);
  return upright([(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1]);
}

function boxedSize(view) {
  const item = primaryItem(view);
  const property = (kind) => item?.properties.find((box) => box?.kind === kind);
  const extent = property("ispe");
  if (!extent) return upright(null);
  const coded = [view.getUint32(extent.start + 4), view.getUint32(extent.start + 8)];
  const cropped = property("clap") ? croppedSize(view, property("clap"), coded) : coded;
  const rotation = property("irot");
  const shown = rotation && view.getUint8(rotation.start) & 1 ? turned(cropped) : cropped;
  // What is turned, cropped or made of tiles is for the server to judge.
  const isPlain = ["hvc1", "av01"].includes(item.kind) && !rotation && !property("clap");
  return { stored: isPlain ? coded : null, shown, coded };
}

function croppedSize(view, clap, coded) {
  const [width, widthUnit, height, heightUnit] = [0, 4, 8, 12].map((at) => view.getUint32(clap.start + at));
  const size = [Math.round(width / widthUnit), Math.round(height / heightUnit)];
  return size.every((length, axis) => length > 0 && length <= coded[axis]) ? size : coded;
}
