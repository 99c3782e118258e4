// From chosen files to queued uploads: looked at a few at a time, shown as soon as they are, never freezing the page.
//
// An album shows its newest pictures first, so the last file of a choice comes to stand on top. Looking begins with
// that one, so that what is on screen stays where it is while the rest comes in below it; sending begins with the first.
import { inspect } from "../files/inspect.js";
import { enqueue } from "./queue.js";

const GROUP = 500;
const AT_ONCE = 6;
const FIRST_SHOW_MS = 16;
const MOST_SHOW_MS = 400;

/** Take files into a store's album. Resolves when all have been looked at and queued. */
export async function takeIn(files, store, activity) {
  for (let start = 0; start < files.length; start += GROUP) {
    const items = await takeGroup(files.slice(start, start + GROUP), store, activity);
    enqueue(store, items);
  }
}

async function takeGroup(files, store, activity) {
  const taken = [];
  const refused = [];
  let looked = [];
  let patience = FIRST_SHOW_MS;
  let shownAt = performance.now();
  for (let end = files.length; end > 0; end -= AT_ONCE) {
    const some = files.slice(Math.max(0, end - AT_ONCE), end).reverse();
    looked.push(...(await Promise.all(some.map(async (file) => ({ file, ...(await inspect(file)) })))));
    if (performance.now() - shownAt < patience && end > AT_ONCE) continue;
    show(looked, taken, refused, store);
    looked = [];
    shownAt = performance.now();
    patience = Math.min(2 * patience, MOST_SHOW_MS);
  }
  const items = taken.reverse().filter((item) => !item.isGone);
  activity.refuse(refused.reverse());
  activity.add(items);
  return items;
}

function show(looked, taken, refused, store) {
  refused.push(...looked.filter(({ refusal }) => refusal));
  taken.push(...store.addFiles(looked.filter(({ refusal }) => !refusal), taken.findLast((item) => !item.isGone)));
}
