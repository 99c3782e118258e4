// Short messages at the top of the page: one that stays while the connection is away, and passing ones.
import { announce } from "./announce.js";
import { el } from "./dom.js";

const SHOWN_MS = 7000;
const area = document.getElementById("notices");
const connection = el("p", { class: "notice", hidden: true });
area.append(connection);

const SENTENCES = {
  away: "The connection to the server is away. Trying again…",
  polling: "Live updates are away. Looking for news every few seconds…",
};

export function showConnection(status) {
  const sentence = SENTENCES[status] ?? "";
  if (connection.textContent === sentence) return;
  connection.hidden = !sentence;
  connection.textContent = sentence;
  rise();
  if (sentence) announce(sentence, "connection");
}

export function notify(sentence) {
  // Said again, it stands there once, for as long again.
  [...area.children].find(({ textContent }) => textContent === sentence)?.remove();
  const notice = el("p", { class: "notice" }, sentence);
  area.append(notice);
  rise();
  announce(sentence);
  setTimeout(() => notice.remove(), SHOWN_MS);
}

/** Stand above everything, the viewer too, while there is something to say. */
function rise() {
  if (area.matches(":popover-open")) area.hidePopover();
  if (area.querySelector(".notice:not([hidden])")) area.showPopover();
}
