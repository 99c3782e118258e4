// Says what happened to those who listen rather than look. Many things at once are said together.
import { el } from "./dom.js";

const pending = new Map();
let timer = 0;

/** Where sentences are read out from. Every dialog has such a place: while it is open, none outside of it is heard. */
export const voice = () => el("div", { class: "unseen", role: "status" });

/** Say a sentence soon; of several about one `topic` only the last. */
export function announce(sentence, topic = sentence) {
  pending.set(topic, sentence);
  clearTimeout(timer);
  timer = setTimeout(() => {
    const dialog = [...document.querySelectorAll("dialog:modal")].at(-1);
    const region = dialog?.querySelector("[role=status]") ?? document.getElementById("announcements");
    region.textContent = [...pending.values()].join(" ");
    pending.clear();
  }, 250);
}
