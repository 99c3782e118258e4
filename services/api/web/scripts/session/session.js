// Who is signed in, on a server that asks for keys.
import { limits } from "../limits.js";
import { getSession } from "../server.js";

/** `{owner, scopes, expire_date}`, or null where nobody needs to sign in. */
export let session = null;

/** Ask the server once, before the first view. Resolves to whether the page may show anything. */
export async function begin() {
  try {
    const answer = await getSession();
    session = answer.session;
    Object.assign(limits, answer.limits);
  } catch (error) {
    // A server that is away now is one that the views themselves wait for.
    if (error.code === "unauthorized") return false;
  }
  document.documentElement.classList.toggle("is-read-only", session !== null && !session.scopes.includes("write"));
  return true;
}
