// One job at its address: which panel is shown follows from the address's step and the job's state.

import * as api from "./api.js";
import { comingPanel } from "./coming.js";
import { announce, h } from "./dom.js";
import { follow, isFinal } from "./events.js";
import { originalPanel } from "./original.js";
import { photoPanel } from "./photo.js";
import { failedPanel, progressPanel } from "./progress.js";
import { removeLater } from "./removal.js";
import { go, jobUrl } from "./router.js";
import { forgetPreview } from "./session.js";
import { problemBox, setTitle, showSteps } from "./shell.js";
import { S } from "./strings.js";

const RETRY_MS = 3000;

export function jobView(id, wantedStep) {
  const element = h("div", { class: "job wrap" });
  let step = wantedStep;
  let job = null;
  let panel = null; // { kind, element, update(job), destroy() }
  let stopFollowing = () => {};
  let timer = 0;
  let gone = false;

  const actions = {
    validate: async () => accept(await api.validate(id, "original")),
    rerun: async (settings) => {
      accept(await api.rerun(id, "original", settings));
      if (step && step !== "original") go(jobUrl(id, "original"));
    },
    remove,
  };

  function shownStep() {
    return step ?? (job && job.step !== "upload" ? job.step : "original");
  }

  function wantedKind() {
    const shown = shownStep();
    if (shown === "upload") return "photo";
    if (shown !== "original") return shown;
    if (job.state === "failed") return "failed";
    return isFinal(job) ? "original" : "progress";
  }

  const make = {
    photo: () => photoPanel(job),
    progress: () => progressPanel(job),
    failed: () => failedPanel(job, actions),
    original: () => originalPanel(job, actions),
    enhanced: () => comingPanel("enhanced", job),
    final: () => comingPanel("final", job),
  };

  function accept(next) {
    if (gone) return;
    const before = job;
    job = next;
    if (!isFinal(job)) startFollowing();
    show();
    if (before && !isFinal(before) && isFinal(job)) finished();
  }

  function finished() {
    if (job.state === "failed") announce(S.failed.live(job.error?.detail ?? S.failed.unknown));
    else announce(S.progress.ready);
  }

  function show({ moved = false } = {}) {
    showSteps(job, shownStep());
    const kind = wantedKind();
    const fresh = panel?.kind !== kind || (kind === "original" && panel.made !== job.updated && panel.stale(job));
    if (fresh) {
      // Focus that would be lost with the old content, or waits on <main> for the new one, goes to the new heading.
      const at = document.activeElement;
      const waits = at?.id === "main" || (panel !== null && element.contains(at));
      panel?.destroy();
      panel = { kind, made: job.updated, ...make[kind]() };
      element.replaceChildren(panel.element);
      element.dataset.panel = kind;
      if (waits && !moved) element.querySelector("h1")?.focus({ preventScroll: true });
    } else {
      panel.update(job);
    }
    element.dataset.state = job.state;
    setTitle(`${job.name} · ${S.steps[shownStep()]} · ${S.product}`);
  }

  function startFollowing() {
    stopFollowing();
    stopFollowing = follow(id, {
      onJob: accept,
      onConnection: (there) => panel?.setConnection?.(there),
      onGone: notFound,
    });
  }

  function remove() {
    stop();
    removeLater(job, { onUndo: () => go(jobUrl(id)) });
    go("/");
  }

  function notFound(problem) {
    showSteps(null, "upload");
    setTitle(`${S.missing.title} · ${S.product}`);
    element.dataset.panel = "missing";
    element.replaceChildren(
      h(
        "div",
        { class: "message-panel" },
        h("h1", { tabindex: "-1" }, S.missing.title),
        problemBox(problem),
        h("a", { class: "button primary", href: "/" }, S.missing.back),
      ),
    );
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
    stopFollowing();
  }

  showSteps(null, "original");
  setTitle(S.product);
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
