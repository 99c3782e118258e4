// Paints a thumbhash, the few bytes that stand for a picture: https://evanw.github.io/thumbhash/

/** Width by height of the picture that a hash stands for. */
function ratioOf(bytes) {
  const isWide = bytes[4] & 0x80;
  const most = bytes[2] & 0x80 ? 5 : 7;
  const other = bytes[3] & 7;
  return (isWide ? most : other) / (isWide ? other : most);
}

/** The mean colour of the picture as CSS, or null if the hash is none: all that there is time for in a fast scroll. */
export function meanColour(base64) {
  try {
    const [low, middle, high] = Array.from(atob(base64.slice(0, 4)), (letter) => letter.charCodeAt(0));
    const head = low | (middle << 8) | (high << 16);
    const [light, yellow, purple] = [(head & 63) / 63, ((head >> 6) & 63) / 31.5 - 1, ((head >> 12) & 63) / 31.5 - 1];
    const blue = light - (2 / 3) * yellow;
    const red = (3 * light - blue + purple) / 2;
    return `rgb(${[red, red - purple, blue].map((level) => Math.round(255 * Math.min(1, Math.max(0, level)))).join(" ")})`;
  } catch {
    return null;
  }
}

/** An ImageData of the blurred picture, or null if the hash is none. */
export function paint(base64) {
  try {
    return draw(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)));
  } catch {
    return null;
  }
}

const LONG_SIDE = 32;

function draw(bytes) {
  const head = bytes[0] | (bytes[1] << 8) | (bytes[2] << 16);
  const tail = bytes[3] | (bytes[4] << 8);
  const hasAlpha = (head >> 23) & 1;
  const isWide = tail >> 15;
  const across = Math.max(3, isWide ? (hasAlpha ? 5 : 7) : tail & 7);
  const down = Math.max(3, isWide ? tail & 7 : hasAlpha ? 5 : 7);
  const waves = wavesOf(bytes, hasAlpha ? 6 : 5);
  const light = waves(across, down, ((head >> 18) & 31) / 31);
  const yellow = waves(3, 3, (((tail >> 3) & 63) / 63) * 1.25);
  const purple = waves(3, 3, (((tail >> 9) & 63) / 63) * 1.25);
  const alpha = hasAlpha ? waves(5, 5, (bytes[5] >> 4) / 15) : null;
  const means = {
    light: (head & 63) / 63,
    yellow: ((head >> 6) & 63) / 31.5 - 1,
    purple: ((head >> 12) & 63) / 31.5 - 1,
    alpha: hasAlpha ? (bytes[5] & 15) / 15 : 1,
  };
  const ratio = ratioOf(bytes);
  const width = Math.max(1, Math.round(ratio > 1 ? LONG_SIDE : LONG_SIDE * ratio));
  const height = Math.max(1, Math.round(ratio > 1 ? LONG_SIDE / ratio : LONG_SIDE));
  return pixels(width, height, means, { light, yellow, purple, alpha });
}

/** Reads the waves of one channel after the other: four bits each, low ones first. */
function wavesOf(bytes, start) {
  let index = 0;
  return (across, down, scale) => {
    const found = [];
    for (let y = 0; y < down; y += 1) {
      for (let x = y ? 0 : 1; x * down < across * (down - y); x += 1) {
        const level = (bytes[start + (index >> 1)] >> ((index & 1) << 2)) & 15;
        found.push({ x, y, level: (level / 7.5 - 1) * scale * 2 });
        index += 1;
      }
    }
    return found;
  };
}

const tables = new Map();

function cosines(length) {
  if (!tables.has(length)) tables.set(length, makeCosines(length));
  return tables.get(length);
}

function makeCosines(length) {
  return Array.from({ length: 7 }, (_, wave) =>
    Float32Array.from({ length }, (_, at) => Math.cos((Math.PI / length) * (at + 0.5) * wave)),
  );
}

function pixels(width, height, means, { light, yellow, purple, alpha }) {
  const image = new ImageData(width, height);
  const columns = cosines(width);
  const rows = cosines(height);
  const at = (mean, waves, x, y) =>
    waves ? waves.reduce((sum, wave) => sum + wave.level * columns[wave.x][x] * rows[wave.y][y], mean) : mean;
  for (let y = 0, offset = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, offset += 4) {
      const l = at(means.light, light, x, y);
      const p = at(means.yellow, yellow, x, y);
      const q = at(means.purple, purple, x, y);
      const blue = l - (2 / 3) * p;
      const red = (3 * l - blue + q) / 2;
      image.data[offset] = red * 255;
      image.data[offset + 1] = (red - q) * 255;
      image.data[offset + 2] = blue * 255;
      image.data[offset + 3] = at(means.alpha, alpha, x, y) * 255;
    }
  }
  return image;
}
