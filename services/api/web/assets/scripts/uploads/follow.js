// Follows pictures into albums that are not open, whose events do not come here, by looking every few seconds.
import { storeOf } from "../album/stores.js";
import { isHeld } from "./queue.js";

const EVERY_MS = 3000;

/** Look, as long as the page is there, after what an activity tells of. */
export async function follow(activity) {
  const items = document.hidden || isHeld ? [] : activity.unfollowed();
  for (const albumId of new Set(items.map((item) => item.albumId))) {
    await look(storeOf(albumId), items.filter((item) => item.albumId === albumId));
  }
  setTimeout(follow, EVERY_MS, activity);
}

async function look(store, items) {
  try {
    await store.look();
  } catch (error) {
    // Whatever else it was passes, or is told of by others.
    if (error.code === "album-not-found") store.removeAll(items);
  }
}
