// Who is signed in, on a server that asks for keys.
import { limits } from "../limits.js";
import { address, getSession, signIn, signOut } from "../server.js";

const LATE_MS = 3000;

/** `{owner, scopes, expire_date}`, or null where nobody needs to sign in. */
export let session = null;

// All tabs share one cookie: who signs in or out in one does so in all of them.
const tabs = new BroadcastChannel(`session of ${address("")}`);
tabs.addEventListener("message", ({ data: owner }) => {
  if (session && session.owner !== owner) dispatchEvent(new Event("unauthorized"));
  else if (owner) dispatchEvent(new Event("signedin"));
});

/** Whether the person may look at albums: some keys are for adding only, or for operators. */
export const mayRead = () => session === null || session.scopes.includes("read");

/** Whether the person may add, change and delete, or only look. */
export const mayChange = () => session === null || session.scopes.includes("write");

/**
 * Ask the server once, before the first view. Resolves to whether the page may show anything; it may, too, while there
 * is no answer: the views say that the server is away. The window is told if a key is wanted after all.
 */
export function begin() {
  return Promise.race([ask(), new Promise((resolve) => setTimeout(resolve, LATE_MS, true))]);
}

async function ask() {
  try {
    take(await getSession());
  } catch (error) {
    // A server that is away now is one that the views themselves wait for.
    if (error.code === "unauthorized") return false;
  }
  return true;
}

/** Sign in. Resolves to whether it is the owner who was signed in before: this page is nobody else's to go on with. */
export async function signInAgain(key) {
  const answer = await signIn(key);
  tabs.postMessage(answer.session.owner);
  if (answer.session.owner !== session?.owner) return false;
  take(answer);
  return true;
}

/** Sign out, in every tab. */
export async function leave() {
  await signOut();
  tabs.postMessage(null);
}

function take(answer) {
  session = answer.session;
  Object.assign(limits, answer.limits);
  document.documentElement.classList.toggle("is-read-only", !mayChange());
}
