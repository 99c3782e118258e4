// Begins here: shows the page that the address asks for, and takes in files wherever they come from.
import { retry, remove, retryAll } from "./album/actions.js";
import { isFailed } from "./album/item.js";
import { storeOf } from "./album/stores.js";
import { AlbumView } from "./album/view.js";
import { AlbumsView } from "./albums/view.js";
import { onDrop, onPaste } from "./drop.js";
import { notify } from "./notices.js";
import { currentRoute, onRoute } from "./route.js";
import { begin, mayChange } from "./session/session.js";
import { SignInView } from "./session/view.js";
import { Activity } from "./uploads/activity.js";
import { takeIn } from "./uploads/intake.js";
import { cancel, isBusy, resendStopped } from "./uploads/queue.js";
import { Tray } from "./uploads/tray.js";

const activity = new Activity();
const tray = new Tray(activity, {
  cancel: (item) => cancel(item),
  retry: (item) => retry(storeOf(item.albumId), item),
  remove: (item) => remove(storeOf(item.albumId), item),
  retryAll: () => retryAll(activity.entries.filter(isFailed).map((item) => [storeOf(item.albumId), item])),
});
document.body.append(tray.element);

let view = null;
let shown = null;
let isSignedOut = false;

function takeFiles(files) {
  const { albumId } = currentRoute();
  if (isSignedOut) return;
  if (!mayChange()) notify("Your key is for looking only: no pictures can be added with it.");
  else if (!albumId) notify("Open an album first: pictures are added to the album that is open.");
  else if (files.length) takeIn(files, storeOf(albumId), activity);
}

function show() {
  if (isSignedOut) return;
  const { albumId, image } = currentRoute();
  if (view && shown === albumId) {
    view.turn?.(image);
    return;
  }
  shown = albumId;
  change(albumId ? new AlbumView(storeOf(albumId), activity, takeFiles) : new AlbumsView(), image);
}

function askForKey() {
  if (isSignedOut) return;
  isSignedOut = true;
  change(new SignInView(goOn));
}

function goOn() {
  isSignedOut = false;
  shown = undefined;
  show();
  resendStopped("unauthorized");
}

function change(next, image) {
  view?.close();
  const isFirst = view === null;
  view = next;
  document.getElementById("main").replaceWith(view.element);
  scrollTo(0, 0);
  if (!isFirst) view.element.querySelector(".page-title").focus();
  view.open(image);
}

onRoute(show);
onDrop(takeFiles, () => !isSignedOut && mayChange() && currentRoute().albumId !== null);
onPaste(takeFiles);
addEventListener("unauthorized", askForKey);
addEventListener("online", () => resendStopped("unreachable"));
addEventListener("beforeunload", (event) => isBusy() && event.preventDefault());
if (await begin()) show();
