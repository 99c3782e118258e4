// Signs out, after asking where files would be lost by it.
import { confirm } from "../dialogs.js";
import { iconButton } from "../icons.js";
import { notify } from "../notices.js";
import { giveUpAll, unsent } from "../uploads/queue.js";
import { count, reason } from "../words.js";
import { leave, session } from "./session.js";

/** The button that signs out, or null where nobody is signed in. */
export const leaveButton = () => session && iconButton("leave", `Sign out ${session.owner}`, { onclick: signOut });

async function signOut() {
  const number = unsent();
  const detail = `${count(number, "picture has", "pictures have")} not been uploaded. Your own files stay as they are.`;
  if (number && !(await confirm({ title: "Sign out all the same?", detail, yes: "Sign out" }))) return;
  try {
    await leave();
  } catch (error) {
    notify(reason(error.code, error.message));
    return;
  }
  giveUpAll();
  location.reload();
}
