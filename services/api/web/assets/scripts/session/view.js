// The page of those who have yet to sign in: one field for a key.
import { el, setText } from "../dom.js";
import { icon } from "../icons.js";
import { reason } from "../words.js";
import { leaveButton } from "./leaving.js";
import { begin, signInAgain } from "./session.js";

export class SignInView {
  #onReturn;

  /** `onReturn()` goes on with the page for the owner who was signed in before; `wanted` says which key is needed. */
  constructor(onReturn, wanted = "This server asks for a key.") {
    this.#onReturn = onReturn;
    // Password managers keep a key if it looks to them like a password.
    this.input = el("input", {
      id: "sign-in-key",
      type: "password",
      name: "key",
      required: true,
      autocomplete: "current-password",
      spellcheck: "false",
      "aria-describedby": "sign-in-problem",
    });
    this.problem = el("p", { class: "sign-in-problem", id: "sign-in-problem", role: "alert" });
    this.button = el("button", { class: "button primary" }, "Sign in");
    this.actions = el("div", { class: "sign-in-actions" }, this.button);
    const form = el(
      "form",
      { class: "sign-in", onsubmit: (event) => this.#submit(event) },
      icon("key"),
      el("h1", { class: "page-title", tabindex: "-1" }, "Sign in"),
      el("p", {}, `${wanted} Whoever runs the server can give you one.`),
      el("div", { class: "field" }, el("label", { for: "sign-in-key" }, "Key"), this.input),
      this.problem,
      this.actions,
    );
    this.element = el("main", { class: "page", id: "main" }, form);
  }

  /** `problem` says what the key is not good for with which somebody is signed in. */
  open(problem = "") {
    setText(this.problem, problem);
    if (problem) this.actions.append(leaveButton() ?? "");
    document.title = "Sign in - Album";
    addEventListener("signedin", this.#onSignedIn);
    this.input.focus();
  }

  close() {
    removeEventListener("signedin", this.#onSignedIn);
  }

  /** In another tab, as the owner who was signed in here if there was one. */
  #onSignedIn = async () => {
    if (await begin()) this.#onReturn();
  };

  async #submit(event) {
    event.preventDefault();
    this.button.disabled = true;
    setText(this.problem, "");
    try {
      if (await signInAgain(this.input.value.trim())) this.#onReturn();
      // Afresh: nothing that another one saw in this page stays in it. Who has files to lose here is asked, and may stay.
      else location.reload();
    } catch (error) {
      setText(this.problem, error.code === "unauthorized" ? "This key is not valid." : reason(error.code, error.message));
      this.input.select();
    }
    this.button.disabled = false;
  }
}
