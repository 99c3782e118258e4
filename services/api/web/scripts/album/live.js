// What happens in an album as it happens: server-sent events, and looking every few seconds while there are none.
//
// Tells listeners "event" (detail: a CloudEvent), "missed" (read everything again) and "status" (detail: "live",
// "polling" - events do not come but the server answers - or "away").
import { eventsAddress } from "../server.js";

const PATIENCE_MS = 3000;
const POLL_MS = 3000;
const RENEW_MS = 5000;

export class Live extends EventTarget {
  status = "connecting";
  #albumId;
  #look;
  #source = null;
  #hasMissed = false;
  #poll = 0;
  #renew = 0;
  #isClosed = false;

  /** `look` reads the news by asking; it rejects if the server does not answer. */
  constructor(albumId, look) {
    super();
    this.#albumId = albumId;
    this.#look = look;
  }

  /** Resolves once events come, or it is clear that they do not for now. */
  open() {
    addEventListener("offline", this.#onOffline);
    addEventListener("online", this.#onOnline);
    return new Promise((resolve) => {
      this.addEventListener("status", resolve, { once: true });
      this.#connect();
      this.#fallBackSoon();
    });
  }

  close() {
    this.#isClosed = true;
    removeEventListener("offline", this.#onOffline);
    removeEventListener("online", this.#onOnline);
    this.#source?.close();
    clearTimeout(this.#poll);
    clearTimeout(this.#renew);
  }

  #onOffline = () => this.#lost();
  #onOnline = () => this.#connect();

  #connect() {
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
      this.#renew = setTimeout(() => this.#isClosed || this.#connect(), RENEW_MS);
    });
  }

  #opened() {
    clearTimeout(this.#poll);
    this.#poll = 0;
    // A new source does not know where the old one ended, and one that saw no event has no id to resume from.
    if (this.#hasMissed) this.#tell("missed");
    this.#hasMissed = false;
    this.#become("live");
  }

  #lost() {
    this.#hasMissed = true;
    this.#fallBackSoon();
  }

  #fallBackSoon() {
    this.#poll ||= setTimeout(() => this.#fallBack(), PATIENCE_MS);
  }

  async #fallBack() {
    let status = "polling";
    try {
      await this.#look();
    } catch {
      status = "away";
    }
    if (this.#isClosed || !this.#poll) return;
    this.#become(status);
    this.#poll = setTimeout(() => this.#fallBack(), POLL_MS);
  }

  #become(status) {
    if (this.status === status) return;
    this.status = status;
    this.#tell("status", status);
  }

  #tell(type, detail) {
    if (!this.#isClosed) this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
