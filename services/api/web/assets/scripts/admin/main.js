// The operators' page: how the whole is doing, looked at every two seconds, and setting right what has failed.
import { confirm } from "../dialogs.js";
import { el, setText } from "../dom.js";
import { notify, showConnection } from "../notices.js";
import { leaveButton } from "../session/leaving.js";
import { begin } from "../session/session.js";
import { SignInView } from "../session/view.js";
import { adminStatus, checkStore, deadLetters, dropLetters, failedJobs, retryFailed, retryLetters } from "../server.js";
import { count, reason } from "../words.js";
import { actions, button, Panel, table } from "./panel.js";

const EVERY_MS = 2000;
const times = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

const time = (value) => times.format(new Date(value));
const seconds = (value) => `${Math.round(value)} s`;

/** Do what a button asks, say what came of it, and look again. */
async function act(work, said) {
  try {
    const answer = await work();
    notify(said(answer));
    await look();
  } catch (error) {
    notify(reason(error.code, error.message));
  }
}

const now = new Panel("Now", ({ overview: { pulse, subscribers: lags, per_minute: minute }, silent }) => {
  const lines = [
    `In the last minute: ${minute["image.uploaded.v1"] ?? 0} queued, ${minute["thumbnail.created.v1"] ?? 0} ready, ${minute["image.failed.v1"] ?? 0} failed.`,
    `${count(pulse.outbox_pending, "event")} not published yet${pulse.outbox_pending ? `, the oldest for ${seconds(pulse.outbox_oldest_age_seconds)}` : ""}.`,
  ];
  const concerns = [
    silent && "The broker does not answer.",
    pulse.images_stuck && `${count(pulse.images_stuck, "image is", "images are")} stuck.`,
    pulse.dead_letters && `${count(pulse.dead_letters, "dead letter is", "dead letters are")} kept.`,
    pulse.findings_left && `The last check of the store has left ${count(pulse.findings_left, "finding")}.`,
    ...lags.filter((lag) => lag.is_late).map((lag) => `${lag.subscriber} does not get on.`),
  ].filter(Boolean);
  return [...concerns.map((text) => el("p", { class: "concern" }, text)), ...lines.map((text) => el("p", {}, text))];
});

/** Whose queue it is, by its name: album.<who>.v1. */
const ownerOf = (queue) => queue.split(".")[1];

function stagesOf(queues, lags) {
  const others = new Set(lags.map((lag) => lag.subscriber));
  return Object.keys(queues).map(ownerOf).filter((name) => !others.has(name));
}

const concern = (text) => el("span", { class: "concern" }, text);

/** What waits in a queue, and how many processes take it. */
function waiting(queue) {
  if (!queue) return ["?", "?"];
  return [`${queue.messages}`, queue.consumers ? `${queue.consumers}` : concern("none")];
}

const stages = new Panel("Stages", ({ queues, in_flight: inFlight, subscribers: lags }) =>
  table(
    ["Stage", "Messages waiting", "Processes", "Images", "Oldest"],
    stagesOf(queues, lags).map((stage) => {
      const images = inFlight.find((line) => line.stage === stage);
      return [
        stage,
        ...waiting(queues[`album.${stage}.v1`]),
        images ? `${images.count}` : "",
        images?.count ? seconds(images.oldest_seconds) : "",
      ];
    }),
  ),
);

const subscribers = new Panel("Subscribers", ({ queues, subscribers: lags }) =>
  lags.length
    ? table(
        ["Subscriber", "Messages waiting", "Processes", "Events behind", "Oldest"],
        lags.map((lag) => [
          lag.subscriber,
          ...waiting(queues[`album.${lag.subscriber}.v1`]),
          lag.is_late ? concern(`${lag.events}`) : `${lag.events}`,
          lag.events ? seconds(lag.oldest_seconds) : "",
        ]),
      )
    : el("p", {}, "None has begun."),
);

const failed = new Panel("Failed jobs", (codes) =>
  codes.length
    ? table(
        ["Reason", "Code", "Jobs", ""],
        codes.map(({ code, count: number }) => [
          reason(code),
          el("code", {}, code),
          `${number}`,
          actions(
            button("Show", () => showJobs(code)),
            button("Retry all", () => act(() => retryFailed({ code }), ({ count: queued }) => `${count(queued, "job")} being queued again.`)),
          ),
        ]),
      )
    : el("p", {}, "None."),
);

let shownCode = null;
const jobs = new Panel("Jobs that failed", ({ code, jobs: list }) => [
  el("p", {}, reason(code)),
  table(
    ["Image", "Uploaded", "Attempts", "Message", ""],
    list.map((job) => [
      el("code", {}, job.image_id),
      time(job.create_date),
      `${job.attempts}`,
      job.message ?? "",
      actions(button("Retry", () => act(() => retryFailed({ image_id: job.image_id }), () => "The job is being queued again."))),
    ]),
  ),
]);
jobs.element.hidden = true;

async function readJobs(code) {
  const { jobs: list } = await failedJobs(code);
  if (code === shownCode) jobs.show({ code, jobs: list });
}

async function showJobs(code) {
  shownCode = code;
  try {
    await readJobs(code);
    jobs.element.hidden = false;
    jobs.body.focus();
  } catch (error) {
    notify(reason(error.code, error.message));
  }
}

async function drop(wanted, title, detail) {
  if (!(await confirm({ title, detail, yes: "Drop" }))) return;
  await act(() => dropLetters(wanted), ({ count: n }) => `${count(n, "letter")} dropped.`);
}

const letters = new Panel(
  "Dead letters",
  (list) =>
    list.length
      ? table(
          ["When", "Stage", "Cause", "Image", "State now", ""],
          list.map((letter) => [
            time(letter.at),
            letter.stage,
            letter.problem ?? letter.code,
            el("code", {}, letter.image_id ?? ""),
            letter.image_state ?? "",
            actions(
              button("Retry", () => act(() => retryLetters({ id: letter.id }), () => "The image is being queued again.")),
              button("Drop", () => drop({ id: letter.id }, "Drop this dead letter?", "Its image stays as it is.")),
            ),
          ]),
        )
      : el("p", {}, "None."),
  button("Retry all", () => act(() => retryLetters({ all: true }), () => "Their images are being queued again.")),
  button("Drop all", () => drop({ all: true }, "Drop all dead letters?", "Their images stay as they are.")),
);

const store = new Panel(
  "Store",
  (checks) =>
    Object.keys(checks).length
      ? table(
          ["Check", "Begun", "Ended", "Looked at", "Found"],
          Object.entries(checks).map(([name, check]) => [
            name,
            time(check.started_at),
            check.finished_at ? time(check.finished_at) : "not yet",
            Object.entries(check.checked).map(([what, number]) => `${number} ${what}`).join(", "),
            Object.entries(check.found).map(([what, number]) => `${number} ${what}`).join(", ") || "nothing",
          ]),
        )
      : el("p", {}, "Not checked yet."),
  button("Search for orphans", () => act(checkStore, () => "The store is being searched. Nothing is changed.")),
);

async function look() {
  const { overview, queues, checks } = await adminStatus();
  setText(document.getElementById("at"), time(overview.at));
  now.show({ overview: { pulse: overview.pulse, subscribers: overview.subscribers, per_minute: overview.per_minute }, silent: Object.values(queues).includes(null) });
  stages.show({ queues, in_flight: overview.in_flight, subscribers: overview.subscribers });
  subscribers.show({ queues, subscribers: overview.subscribers });
  failed.show(overview.failed);
  letters.show(overview.pulse.dead_letters ? (await deadLetters()).letters : []);
  store.show(checks);
  if (shownCode) await readJobs(shownCode);
}

let isSignedOut = false;

function askForKey(problem) {
  if (isSignedOut) return;
  isSignedOut = true;
  const view = new SignInView(() => location.reload(), "This page needs a key with admin rights.");
  document.getElementById("main").replaceWith(view.element);
  view.open(problem);
}

async function lookAgainAndAgain() {
  if (isSignedOut) return;
  if (!document.hidden) {
    await look().then(
      () => showConnection("live"),
      (error) => {
        if (error.code === "unreachable") showConnection("away");
        else if (error.code === "forbidden") askForKey("The key that you signed in with has no admin rights.");
        else if (!isSignedOut) notify(reason(error.code, error.message));
      },
    );
  }
  setTimeout(lookAgainAndAgain, EVERY_MS);
}

addEventListener("unauthorized", () => askForKey());
document.getElementById("main").append(...[now, stages, subscribers, failed, jobs, letters, store].map(({ element }) => element));
await begin();
document.querySelector(".page-bar")?.append(leaveButton() ?? "");
lookAgainAndAgain();
