// Files dropped or pasted anywhere on the page.
import { el } from "./dom.js";
import { fromTransfer, hasFiles } from "./files/collect.js";
import { icon } from "./icons.js";

/**
 * Take files that are dropped on the page, saying over all of it that they may be where `isTaking()`. `onFiles` gets a
 * promise: to walk through folders takes a while, and they are for what is open now.
 */
export function onDrop(onFiles, isTaking) {
  const overlay = el("div", { class: "drop", hidden: true, "aria-hidden": "true" }, el("p", {}, icon("upload"), "Drop to add to this album"));
  document.body.append(overlay);
  // "dragleave" fires at every border inside the page: what counts is how many are entered and not left.
  let depth = 0;
  const watch = (type, change) => {
    addEventListener(type, (event) => {
      if (!hasFiles(event.dataTransfer)) return;
      event.preventDefault();
      depth = change(depth);
      overlay.hidden = depth === 0 || !isTaking();
    });
  };
  watch("dragenter", (number) => number + 1);
  watch("dragleave", (number) => Math.max(0, number - 1));
  watch("dragover", (number) => number || 1);
  watch("drop", () => 0);
  addEventListener("drop", (event) => {
    if (hasFiles(event.dataTransfer)) onFiles(fromTransfer(event.dataTransfer));
  });
}

/** Take files that are pasted, but not into a field: beside text some programs copy a picture of it. */
export function onPaste(onFiles) {
  addEventListener("paste", (event) => {
    if (event.target.closest?.("input") || !hasFiles(event.clipboardData)) return;
    event.preventDefault();
    onFiles(fromTransfer(event.clipboardData));
  });
}
