// The few icons, drawn on a 24 by 24 grid with round strokes.
import { el } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  add: "M12 5v14M5 12h14",
  back: "M19 12H5M11 6l-6 6 6 6",
  close: "M6 6l12 12M18 6L6 18",
  next: "M9 5l7 7-7 7",
  previous: "M15 5l-7 7 7 7",
  trash: "M4 7h16M10 11v6M14 11v6M6 7l1 12a1 1 0 001 1h8a1 1 0 001-1l1-12M9 7V4.8a.8.8 0 01.8-.8h4.4a.8.8 0 01.8.8V7",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  folder: "M3 7.5A1.5 1.5 0 014.5 6h4.4l2 2.2h8.6A1.5 1.5 0 0121 9.700v8.8a1.5 1.500 0 01-1.500 1.500h-15A1.500 1.500 0 013 18.500z",
  retry: "M20 12a8 8 0 11-2.600-5.900M20 4v4.500h-4.500",
  down: "M6 9l6 6 6-6",
  up: "M6 15l6-6 6 6",
  picture: "M4.500 5h15A1.500 1.500 0 0121 6.500v11a1.500 1.500 0 01-1.500 1.500h-15A1.500 1.500 0 013 17.500v-11A1.500 1.500 0 014.500 5zM3.300 17l5-5.200 3.700 3.700 3-3 5.500 5M15.500 9.400v.1",
  key: "M14.500 4a5.500 5.500 0 11-5.300 7L3 17.200V20.500h3.300v-2.200h2.200v-2.200h2l1.600-1.600A5.500 5.500 0 0114.500 4zM16.200 8.200v.1",
  leave: "M10 5H6.500A1.500 1.500 0 005 6.500v11A1.500 1.500 0 006.500 19H10M15 8l4 4-4 4M19 12H10",
  upload: "M12 16V5M7 9.500L12 4.500l5 5M5 20h14",
};

/** An icon for the eye only; its button carries the name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A button that is an icon; `attributes` as of `el`. */
export function iconButton(name, label, attributes = {}) {
  return setLabel(el("button", { type: "button", class: "icon-button", ...attributes }, icon(name)), label);
}

/** Say what a button does to those who listen, and to those who point at it. */
export function setLabel(button, label) {
  button.title = button.ariaLabel = label;
  return button;
}
