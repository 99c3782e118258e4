// The two buttons that choose pictures: single files, and a folder with all that is in it.
import { el } from "../dom.js";
import { fromList } from "../files/collect.js";
import { icon, iconButton } from "../icons.js";

// Names too, since systems that do not know HEIC or AVIF would hide them.
const ACCEPT = "image/jpeg,image/png,image/webp,image/heic,image/heif,image/avif,.jpg,.jpeg,.png,.webp,.heic,.heif,.avif";

/** The buttons and their hidden inputs; `onFiles(files)` gets what is chosen. */
export function choosers(onFiles) {
  const files = input({ multiple: true, accept: ACCEPT, "data-chooser": "files" }, onFiles);
  const folder = input({ webkitdirectory: true, "data-chooser": "folder" }, onFiles);
  const label = el("span", { class: "button-label" }, "Add pictures");
  const onclick = () => files.click();
  const add = el("button", { type: "button", class: "button primary", "data-changes": true, "aria-label": "Add pictures", onclick }, icon("add"), label);
  const addFolder = iconButton("folder", "Add a folder", { "data-changes": true, onclick: () => folder.click() });
  return [add, addFolder, files, folder];
}

function input(attributes, onFiles) {
  const element = el("input", { type: "file", hidden: true, tabindex: "-1", "aria-hidden": "true", ...attributes });
  element.addEventListener("change", () => {
    onFiles(fromList(element.files));
    element.value = "";
  });
  return element;
}
