// The orientation that a camera noted in EXIF (CIPA DC-008, 4.6.5.1.6).
const ORIENTATION = 0x0112;

/** 1 to 8, or null; `start` is where the TIFF header begins. */
export function exifOrientation(view, start) {
  const order = view.getUint16(start);
  if (order !== 0x4949 && order !== 0x4d4d) return null;
  const isLittle = order === 0x4949;
  const directory = start + view.getUint32(start + 4, isLittle);
  for (let left = view.getUint16(directory, isLittle), at = directory + 2; left > 0; left -= 1, at += 12) {
    if (view.getUint16(at, isLittle) === ORIENTATION) {
      const value = view.getUint16(at + 8, isLittle);
      return value >= 1 && value <= 8 ? value : null;
    }
  }
  return null;
}
