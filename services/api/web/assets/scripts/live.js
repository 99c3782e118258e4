// What happens in an album as it happens: server-sent events, and looking every few seconds while there are none.
//
// All tabs of a browser share six connections to an HTTP/1.1 server: one that nobody sees keeps none for its events.
//
// Tells listeners "event" (detail: a CloudEvent), "missed" (read everything again) and "status" (detail: "live",
// "polling" - events do not come but the server answers - or "away"); and the window "reconnected".
import { eventsAddress } from "./server.js";

const PATIENCE_MS = 3000;
const POLL_MS = 3000;
// An answer that takes so long is most likely none: the server waits on for one behind it before it says so.
const LATE_MS = 4000;
const RENEW_MS = 5000;

export class Live extends EventTarget {
  status = "connecting";
  #albumId;
  #look;
  #source = null;
  #hasMissed = false;
  #poll = 0;
  #renew = 0;
  #again = 0;
  #isClosed = false;

  /** `look` reads the news by asking; it rejects if the server does not answer. */
  constructor(albumId, look) {
    super();
    this.#albumId = albumId;
    this.#look = look;
  }

  /** Resolves once events come, or it is clear that they do not for now: in a hidden page when it is shown. */
  open() {
    addEventListener("offline", this.#onOffline);
    addEventListener("online", this.#onOnline);
    document.addEventListener("visibilitychange", this.#onVisibility);
    return new Promise((resolve) => {
      this.addEventListener("status", resolve, { once: true });
      this.#follow();
    });
  }

  close() {
    this.#isClosed = true;
    removeEventListener("offline", this.#onOffline);
    removeEventListener("online", this.#onOnline);
    document.removeEventListener("visibilitychange", this.#onVisibility);
    this.#rest();
  }

  /** What was missed could not be read: it is told of once more, in a while. */
  again() {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#tell("missed"), RENEW_MS);
  }

  #onOffline = () => this.#lost();
  #onOnline = () => this.#connect();

  #onVisibility = () => {
    if (document.hidden) this.#rest();
    else this.#follow();
  };

  #follow() {
    this.#connect();
    this.#fallBackSoon();
  }

  #rest() {
    this.#hasMissed = true;
    this.#source?.close();
    clearTimeout(this.#poll);
    this.#poll = 0;
    clearTimeout(this.#renew);
    clearTimeout(this.#again);
  }

  #connect() {
    if (document.hidden) return;
    clearTimeout(this.#renew);
    this.#source?.close();
    const source = new EventSource(eventsAddress(this.#albumId));
    this.#source = source;
    source.addEventListener("open", () => this.#opened());
    source.addEventListener("message", (message) => this.#tell("event", JSON.parse(message.data)));
    source.addEventListener("reset", () => this.#tell("missed"));
    source.addEventListener("error", () => {
      this.#lost();
      if (source.readyState !== EventSource.CLOSED) return;
      // It gave up, as it does when something else than events is answered: begin anew in a while.
      clearTimeout(this.#renew);
      this.#renew = setTimeout(() => this.#connect(), RENEW_MS);
    });
  }

  #opened() {
    clearTimeout(this.#poll);
    this.#poll = 0;
    // A new source does not know where the old one ended, and one that saw no event has no id to resume from.
    if (this.#hasMissed) {
      this.#tell("missed");
      dispatchEvent(new Event("reconnected"));
    }
    this.#hasMissed = false;
    this.#become("live");
  }

  #lost() {
    this.#hasMissed = true;
    this.#fallBackSoon();
  }

  #fallBackSoon() {
    if (!document.hidden) this.#poll ||= setTimeout(() => this.#fallBack(), PATIENCE_MS);
  }

  async #fallBack() {
    let status = "polling";
    const late = setTimeout(() => this.#isClosed || !this.#poll || this.#become("away"), LATE_MS);
    try {
      await this.#look();
    } catch {
      status = "away";
    }
    clearTimeout(late);
    if (this.#isClosed || !this.#poll) return;
    this.#become(status);
    clearTimeout(this.#poll); // the page may have been hidden and shown meanwhile
    this.#poll = setTimeout(() => this.#fallBack(), POLL_MS);
  }

  #become(status) {
    if (this.status === status) return;
    if (this.status === "away" && status === "polling") dispatchEvent(new Event("reconnected"));
    this.status = status;
    this.#tell("status", status);
  }

  #tell(type, detail) {
    if (!this.#isClosed) this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
