// One job at its address: which panel is shown follows from the address's step and the job's state.

import * as api from "./api.js";
import { comingPanel } from "./coming.js";
import { announce, h } from "./dom.js";
import { enhancedPanel } from "./enhanced.js";
import { follow, isFinal } from "./events.js";
import { finalPanel } from "./final.js";
import { atStep } from "./files.js";
import { missingPanel } from "./missing.js";
import { originalPanel } from "./original.js";
import { photoPanel } from "./photo.js";
import { failedPanel, progressPanel } from "./progress.js";
import { removeLater } from "./removal.js";
import { go, jobUrl } from "./router.js";
import { forgetPreview } from "./session.js";
import { problemBox, setTitle, showSteps } from "./shell.js";
import { S } from "./strings.js";

const RETRY_MS = 3000;
const AFTER = { original: "enhanced", enhanced: "final", final: "final" };

export function jobView(id, wantedStep) {
  const element = h("div", { class: "job wrap" });
  let step = wantedStep;
  let job = null;
  let panel = null; // { kind, element, update(job), destroy() }
  let stopFollowing = null; // while the job is followed
  let timer = 0;
  let gone = false;
  let editing = false; // segments were changed here, and the step is made again for that

  const actions = {
    validate: async (made) => {
      const next = await api.validate(id, made).catch((problem) => {
        if (problem.status === 409) void lookAgain();
        throw problem;
      });
      if (step === null) go(jobUrl(id, made), { replace: true }); // "back" leads to what was validated
      accept(next);
      go(jobUrl(id, AFTER[made]));
    },
    rerun: async (made, settings) => {
      accept(await api.rerun(id, made, settings));
      if (step && step !== made) go(jobUrl(id, made));
    },
    /** Change segments: the step's panel stays while the scene follows. */
    edit: async (request) => {
      editing = true;
      try {
        accept(await request(id));
      } catch (problem) {
        editing = false;
        throw problem;
      }
    },
    remove,
  };

  function shownStep() {
    return step ?? (job && job.step !== "upload" ? job.step : "original");
  }

  function wantedKind() {
    const shown = shownStep();
    if (shown === "upload") return "photo";
    const made = Boolean(job.results[shown]);
    if (job.step !== shown) return made ? shown : shown === "original" ? "progress" : `before-${shown}`;
    if (job.state === "failed") return editing && made ? shown : "failed";
    return isFinal(job) || (editing && made) ? shown : "progress";
  }

  const make = {
    photo: () => photoPanel(atStep(job, "original")),
    progress: () => progressPanel(job),
    failed: () => failedPanel(job, actions),
    original: () => originalPanel(job, actions),
    enhanced: () => enhancedPanel(job, actions),
    final: () => finalPanel(job, actions),
    "before-enhanced": () => comingPanel("enhanced", job),
    "before-final": () => comingPanel("final", job),
  };

  function accept(next) {
    if (gone) return;
    const before = job;
    job = next;
    followOrNot();
    show();
    if (before && !isFinal(before) && isFinal(job)) finished();
    if (isFinal(job)) editing = false;
  }

  function finished() {
    if (job.state === "failed") announce(S.failed.live(job.error?.detail ?? S.failed.unknown));
    else announce(editing ? S.segments.updated : S.progress.ready[job.step]);
  }

  function show({ moved = false } = {}) {
    showSteps(job, shownStep());
    const kind = wantedKind();
    const fresh = panel?.kind !== kind || panel.stale?.(job);
    if (fresh) {
      // Focus that would be lost with the old content, or waits on <main> for the new one, goes to the new heading.
      const at = document.activeElement;
      const waits = at?.id === "main" || (panel !== null && element.contains(at));
      panel?.destroy();
      panel = { kind, ...make[kind]() };
      element.replaceChildren(panel.element);
      element.dataset.panel = kind;
      if (waits && !moved) element.querySelector("h1")?.focus({ preventScroll: true });
    } else {
      panel.update(job);
    }
    element.dataset.state = job.state;
    setTitle(`${job.name} · ${S.steps[shownStep()]} · ${S.product}`);
  }

  /** One stream of events from the first state that isn't final to the last: each begins with the state as it is. */
  function followOrNot() {
    if (isFinal(job)) return stopStream();
    stopFollowing ??= follow(id, {
      onJob: accept,
      onConnection: (there) => panel?.setConnection?.(there),
      onGone: notFound,
    });
  }

  function stopStream() {
    stopFollowing?.();
    stopFollowing = null;
  }

  /** Whoever comes back to this tab, or is told that it can't be: another tab may have gone on with the job. */
  async function lookAgain() {
    if (gone || document.hidden || !job || !isFinal(job)) return;
    try {
      const now = await api.job(id);
      if (now.updated !== job.updated) accept(now);
    } catch (problem) {
      if (problem.status === 404 && !gone) notFound(problem);
    }
  }

  function remove() {
    stop();
    removeLater(job, { onUndo: () => go(jobUrl(id)) });
    go("/");
  }

  function notFound(problem) {
    stop();
    element.dataset.panel = "missing";
    element.replaceChildren(missingPanel(problem));
  }

  async function load() {
    try {
      accept(await api.job(id));
    } catch (problem) {
      if (gone) return;
      if (problem.status >= 400 && problem.status < 500) return notFound(problem);
      element.replaceChildren(h("div", { class: "message-panel" }, problemBox(problem)));
      timer = setTimeout(load, RETRY_MS);
    }
  }

  function stop() {
    gone = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", lookAgain);
    stopStream();
  }

  showSteps(null, "original");
  setTitle(S.product);
  document.addEventListener("visibilitychange", lookAgain);
  void load();
  return {
    jobId: id,
    element,
    setStep(next) {
      step = next;
      if (job) show({ moved: true });
    },
    destroy() {
      stop();
      panel?.destroy();
      if (job && isFinal(job)) forgetPreview(id);
    },
  };
}
