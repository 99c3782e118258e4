// One picture of an album, from the moment it is chosen. Its `key` never changes: what stands for it on screen stays
// while it goes from a chosen file to an upload, a job and a picture of the server's.
//
// Stages: waiting, uploading, stopped (not sent) - then the contract's queued, encoded, ready, failed.
import { originalAddress, pictureAddress, thumbnailAddress } from "../server.js";
import { reason, stage } from "../words.js";

const FORMAT_NAMES = { JPEG: "JPEG", PNG: "PNG", WEBP: "WebP", HEIF: "HEIC", AVIF: "AVIF" };
const ORDER = { queued: 0, encoded: 1, ready: 2 };
let chosen = 0;

const BLANK = {
  id: null,
  jobId: null,
  thumbnailId: null,
  code: null,
  message: null,
  progress: 0,
  width: null,
  height: null,
  placeholder: null,
  hasPicture: false,
  format: null,
  file: null,
  url: null,
  isUnshowable: false,
  sequence: 0,
  toldAt: 0,
  knownAt: 0,
  isGone: false,
};

/** An item for a file that passed inspection. */
export function itemOfFile(file, { format, width, height }, albumId) {
  chosen += 1;
  return {
    ...BLANK,
    key: `new-${chosen}`,
    albumId,
    name: file.name,
    stage: "waiting",
    width,
    height,
    format: FORMAT_NAMES[format],
    file,
    // Most browsers do not show HEIC; trying would only cost time.
    isUnshowable: format === "HEIF" && !showsHeic(),
  };
}

/** An item for a card of `POST /album/images`. */
export function itemOfCard(card, albumId) {
  const item = { ...BLANK, key: card.id, albumId, id: card.id, stage: card.state };
  takeCard(item, card);
  return item;
}

/** Bring an item up to what the server lists, asked at a time. Returns whether anything that is shown has changed. */
export function takeCard(item, card, askedAt = Infinity) {
  const before = JSON.stringify([item.stage, item.code, item.width, item.height, item.placeholder, item.hasPicture]);
  item.id = card.id;
  item.jobId = card.job_id;
  item.thumbnailId = card.thumbnail_id;
  item.name = card.name;
  // An event that came since then knows more.
  if (item.toldAt <= askedAt) {
    item.stage = card.state;
    item.code = card.code;
    item.hasPicture = card.content_type !== null;
  }
  item.format ??= formatOfName(card.name);
  if (card.placeholder) item.placeholder = card.placeholder;
  if (card.width) [item.width, item.height] = [card.width, card.height];
  return before !== JSON.stringify([item.stage, item.code, item.width, item.height, item.placeholder, item.hasPicture]);
}

/** Bring an item up to a public event about it. Returns whether anything has changed. */
export function takeEvent(item, event) {
  if (event.sequence && event.sequence <= item.sequence) return false;
  item.sequence = event.sequence ?? item.sequence;
  item.toldAt = performance.now();
  const { data } = event;
  switch (event.type.replace("io.album.", "")) {
    case "image.uploaded.v1":
      return item.stage === "failed" && moveTo(item, "queued");
    case "image.encoded.v1":
      Object.assign(item, { hasPicture: true, width: data.width, height: data.height, placeholder: data.placeholder });
      return moveTo(item, "encoded");
    case "thumbnail.created.v1":
      item.hasPicture = true;
      return moveTo(item, "ready");
    case "image.failed.v1":
      Object.assign(item, { stage: "failed", code: data.code, message: data.message });
      return true;
    default:
      return false;
  }
}

function moveTo(item, stage) {
  // Events may come late, after the listing told more.
  if (ORDER[item.stage] >= ORDER[stage]) return false;
  Object.assign(item, { stage, code: null, message: null });
  return true;
}

/** The address of the chosen file itself while it is there and the browser can show it, else null. */
function localAddress(item) {
  if (!item.file || item.isUnshowable) return null;
  // Made when it is first looked at: for hundreds of files at once it would take a while.
  item.url ??= URL.createObjectURL(item.file);
  return item.url;
}

/** The address of what a tile shows now, or null: the chosen file itself until the server's thumbnail is there. */
export function tileAddress(item) {
  if (item.stage === "ready") return thumbnailAddress(item.thumbnailId);
  return localAddress(item) ?? (item.hasPicture ? pictureAddress(item.albumId, item.id) : null);
}

/** The address of what the viewer shows now, or null. */
export function fullAddress(item) {
  return item.hasPicture ? pictureAddress(item.albumId, item.id) : localAddress(item);
}

export function downloadAddress(item) {
  return item.id ? originalAddress(item.albumId, item.id) : localAddress(item);
}

/** Let go of the chosen file, once the server's pictures have taken its place on screen. */
export function releaseFile(item) {
  if (item.url) URL.revokeObjectURL(item.url);
  item.url = null;
  item.file = null;
}

/** Whether its file was chosen in this page. */
export const isFromHere = (item) => item.key !== item.id;
export const isFailed = (item) => item.stage === "failed" || item.stage === "stopped";
export const isWrong = (item) => isFailed(item) || item.stage === "refused";
export const isSending = (item) => item.stage === "waiting" || item.stage === "uploading";
export const isSettled = (item) => item.stage === "ready" || isFailed(item);

/** What is happening to an item, or why it went wrong. */
export const standing = (item) => (isWrong(item) ? reason(item.code, item.message) : stage(item));

function formatOfName(name) {
  const extension = /\.([a-z0-9]{2,5})$/i.exec(name)?.[1].toLowerCase();
  return { jpg: "JPEG", jpeg: "JPEG", png: "PNG", webp: "WebP", heic: "HEIC", heif: "HEIF", avif: "AVIF" }[extension] ?? null;
}

function showsHeic() {
  return /^((?!chrome|android|crios|fxios).)*safari/i.test(navigator.userAgent);
}
