// The part of the page that the list of albums goes without: open albums, and what is sent to them wherever the person
// goes meanwhile.
import { Activity } from "../uploads/activity.js";
import { follow } from "../uploads/follow.js";
import { takeIn } from "../uploads/intake.js";
import { cancel, resendStopped, unsent } from "../uploads/queue.js";
import { Tray } from "../uploads/tray.js";
import { remove, retry, retryAll } from "./actions.js";
import { isFailed } from "./item.js";
import { storeOf } from "./stores.js";
import { AlbumView } from "./view.js";

const activity = new Activity();
const tray = new Tray(activity, {
  cancel: (item) => cancel(storeOf(item.albumId), item),
  retry: (item) => retry(storeOf(item.albumId), item),
  remove: (item) => remove(storeOf(item.albumId), item),
  retryAll: () => retryAll(activity.entries.filter(isFailed).map((item) => [storeOf(item.albumId), item])),
});
document.body.append(tray.element);
follow(activity);
// A server that was restarted is back without the browser having been offline.
for (const type of ["online", "reconnected"]) addEventListener(type, () => resendStopped("unreachable"));
addEventListener("beforeunload", (event) => unsent() && event.preventDefault());

/** The page of an album; `onFiles(files)` is given what is chosen there. */
export const viewOf = (albumId, onFiles) => new AlbumView(storeOf(albumId), activity, onFiles);

export const takeInto = (albumId, files) => takeIn(files, storeOf(albumId), activity);

export { resendStopped };
