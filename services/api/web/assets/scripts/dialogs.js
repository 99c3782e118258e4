// Questions to the person, as native dialogs: they hold the focus and give it back.
import { voice } from "./announce.js";
import { el } from "./dom.js";
import { onRoute } from "./route.js";

// A question is about what was on screen when it was asked.
const dismiss = () => document.querySelector("dialog.dialog")?.close();
onRoute(dismiss);
addEventListener("unauthorized", dismiss);

function ask(dialog, valueOf) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const value = dialog.returnValue === "yes" ? valueOf() : null;
      dialog.remove();
      resolve(value);
    });
  });
}

function framed(title, detail, yes, isDangerous, field) {
  const heading = el("h2", { id: "dialog-title" }, title);
  const text = detail ? el("p", { id: "dialog-detail" }, detail) : null;
  const cancel = el("button", { type: "button", class: "button" }, "Cancel");
  const accept = el("button", { value: "yes", class: `button ${isDangerous ? "danger" : "primary"}` }, yes);
  const form = el("form", { method: "dialog" }, heading, text, field, el("div", { class: "dialog-actions" }, cancel, accept));
  const dialog = el(
    "dialog",
    { class: "dialog", "aria-labelledby": "dialog-title", "aria-describedby": text && "dialog-detail" },
    form,
    voice(),
  );
  cancel.addEventListener("click", () => dialog.close());
  // A click that only ends outside is one that selected text.
  let isOutside = false;
  dialog.addEventListener("pointerdown", (event) => (isOutside = event.target === dialog));
  dialog.addEventListener("click", (event) => isOutside && event.target === dialog && dialog.close());
  return dialog;
}

/** Whether the person says yes. */
export async function confirm({ title, detail, yes }) {
  return (await ask(framed(title, detail, yes, true), () => true)) === true;
}

/** A name of 1 to `maxLength` characters, or null; `value` is there to begin with. */
export function askName({ title, detail, label, yes, maxLength, value }) {
  const input = el("input", { id: "dialog-name", name: "name", dir: "auto", maxlength: maxLength, required: true, autocomplete: "off", value });
  const field = el("div", { class: "field" }, el("label", { for: "dialog-name" }, label), input);
  input.addEventListener("input", () => input.setCustomValidity(input.value.trim() ? "" : "A name needs a letter."));
  return ask(framed(title, detail, yes, false, field), () => input.value.trim() || null);
}
