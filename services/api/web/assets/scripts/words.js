// Sentences for people: counts, sizes, stages and reasons.
import { limits } from "./limits.js";

const numbers = new Intl.NumberFormat("en");
const dates = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

const FORMATS_TAKEN = "JPEG, PNG, WebP, HEIC, HEIF and AVIF";

const OTHER_FORMAT = `Only ${FORMATS_TAKEN} are accepted.`;

/** What may be chosen, as one sentence. */
export const taken = () =>
  `${FORMATS_TAKEN}, up to ${limits.width} x ${limits.height} pixels and ${Math.floor(limits.bytes / 1_048_576)} MB each.`;

export function count(number, one, many = `${one}s`) {
  return `${numbers.format(number)} ${number === 1 ? one : many}`;
}

export function date(value) {
  return dates.format(new Date(value)).replaceAll(" ", "\u00a0"); // in one line
}

export function bytes(length) {
  if (length < 1000) return count(length, "byte");
  if (length < 1_000_000) return `${Math.round(length / 1000)} kB`;
  return `${(length / 1_000_000).toFixed(1)} MB`;
}

export const REFUSED = {
  empty: () => "The file is empty.",
  bytes: (length) => `The file has ${numbers.format(length)} bytes; at most ${numbers.format(limits.bytes)} are accepted.`,
  format: () => OTHER_FORMAT,
  size: (width, height) =>
    `The picture is ${width} x ${height} pixels; at most ${limits.width} wide and ${limits.height} high is accepted.`,
  unreadable: () => REASONS.unreadable,
};

const REASONS = {
  "unsupported-format": OTHER_FORMAT,
  "unsupported-codec": "The picture is compressed in a way that cannot be read here.",
  "corrupt-image": "The picture is damaged.",
  "truncated-image": "The picture is incomplete: the end of the file is missing.",
  "dimensions-too-large": "The picture has more pixels than are accepted.",
  "too-complex": "The picture is too complex to be read safely.",
  "decode-timeout": "Reading the picture took too long.",
  "decode-out-of-memory": "Reading the picture took too much memory.",
  "decoder-crashed": "The picture could not be read.",
  "attempts-exhausted": "It was tried several times without success.",
  unreadable: "It could not be read. Was it moved, changed or deleted?",
  unreachable: "The server cannot be reached.",
  unauthorized: "You have to sign in again.",
};

/** Why a picture failed, as one sentence. */
export function reason(code, message) {
  if (REASONS[code]) return REASONS[code];
  if (!message) return "Something went wrong.";
  return message[0].toUpperCase() + message.slice(1) + (message.endsWith(".") ? "" : ".");
}

const STAGES = {
  waiting: "Waiting",
  stopped: "Not uploaded",
  queued: "In the queue",
  encoded: "Making the thumbnail",
  ready: "Ready",
  failed: "Failed",
};

/** What is happening to an item, in a few words. */
export const stage = (item) => STAGES[item.stage] ?? `Uploading, ${Math.floor(item.progress * 100)}%`;
