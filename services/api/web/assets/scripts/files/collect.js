// Files from wherever a person takes them: a chooser, a drop (folders too), the clipboard.

const IS_LEFT_OUT = /^(\.|Thumbs\.db$|desktop\.ini$)/i;

/** The files of a chooser; what systems leave lying in folders is left out. */
export function fromList(list) {
  return [...list].filter((file) => !IS_LEFT_OUT.test(file.name));
}

/** The files of a drop or paste, folders walked. Call it inside the event: the transfer is emptied after it. */
export async function fromTransfer(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  if (!entries.some((entry) => entry?.isDirectory)) return fromList(transfer.files);
  const loose = items.map((item) => item.getAsFile());
  const found = [];
  for (const [index, entry] of entries.entries()) {
    if (entry) found.push(...(await walk(entry)));
    else if (loose[index]) found.push(loose[index]);
  }
  return fromList(found);
}

async function walk(entry) {
  if (IS_LEFT_OUT.test(entry.name)) return [];
  const found = [];
  try {
    if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
    const reader = entry.createReader();
    for (;;) {
      // A reader hands out a folder in portions; an empty one is the end.
      const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!portion.length) return found;
      for (const child of portion) found.push(...(await walk(child)));
    }
  } catch {
    // It stands among the files by its name, so that it is told of with what else is not taken.
    return [...found, { name: entry.name, isUnreadable: true }];
  }
}

export function hasFiles(transfer) {
  return Boolean(transfer) && [...transfer.types].includes("Files");
}
