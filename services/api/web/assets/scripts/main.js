// Begins here: shows the page that the address asks for, and takes in files wherever they come from.
import { AlbumsView } from "./albums/view.js";
import { onDrop, onPaste } from "./drop.js";
import { notify } from "./notices.js";
import { currentRoute, onRoute } from "./route.js";
import { begin, mayChange, mayRead } from "./session/session.js";
import { SignInView } from "./session/view.js";

let view = null;
let shown;
let albumPart = null;
let isSignedOut = false;

/** Take in files, or a promise of them, for the album that is open now. */
async function takeFiles(chosen) {
  const { albumId } = currentRoute();
  if (isSignedOut) return;
  if (!mayChange()) notify("Your key is for looking only: no pictures can be added with it.");
  else if (!albumId) notify("Open an album first: pictures are added to the album that is open.");
  else {
    const files = await chosen;
    if (files.length) (await loadAlbumPart())?.takeInto(albumId, files);
  }
}

/** What an album needs and the first page does not, so that it need not wait for it; null if it cannot be loaded. */
async function loadAlbumPart() {
  albumPart ??= import("./album/part.js");
  try {
    return await albumPart;
  } catch {
    albumPart = null;
    notify("Not all of this page could be loaded. Please load it again.");
    return null;
  }
}

async function show() {
  if (!mayRead()) askForKey("The key that you signed in with is not for looking at albums.");
  if (isSignedOut) return;
  const { albumId, image } = currentRoute();
  if (shown === albumId) {
    view?.turn?.(image);
    return;
  }
  const left = shown;
  shown = albumId;
  if (!albumId) {
    change(new AlbumsView(left));
    return;
  }
  // Noted in the history: the list of albums is one step back from here.
  if (left === null && !image && !history.state) history.replaceState({ isFromList: true }, "");
  const part = await loadAlbumPart();
  if (isSignedOut || shown !== albumId) return;
  if (part) change(part.viewOf(albumId, takeFiles), currentRoute().image);
  else shown = undefined;
}

function askForKey(problem) {
  if (isSignedOut) return;
  isSignedOut = true;
  change(new SignInView(goOn), problem);
}

async function goOn() {
  isSignedOut = false;
  shown = undefined;
  show();
  (await loadAlbumPart())?.resendStopped("unauthorized");
}

function change(next, detail) {
  view?.close();
  const isFirst = view === null;
  view = next;
  document.getElementById("main").replaceWith(view.element);
  scrollTo(0, 0);
  if (!isFirst) view.element.querySelector(".page-title").focus();
  view.open(detail);
}

onRoute(show);
onDrop(takeFiles, () => view !== null && !isSignedOut && mayChange() && currentRoute().albumId !== null);
onPaste(takeFiles);
addEventListener("unauthorized", () => askForKey());
if (await begin()) show();
loadAlbumPart();
