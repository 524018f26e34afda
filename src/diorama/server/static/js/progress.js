// While a job runs: the photo, the stages by name, the share that is done and the time that is left. And its failure.

import { announce, h, icon, setText } from "./dom.js";
import { fileUrl } from "./files.js";
import * as format from "./format.js";
import { jobHead } from "./head.js";
import { previewOf } from "./session.js";
import { settingsPanel } from "./settings.js";
import { problemBox } from "./shell.js";
import { S } from "./strings.js";

const MARKS = { done: "check", failed: "close" };

export function progressPanel(job) {
  const T = S.progress;
  const photo = h("div", { class: "making-photo" });
  const percent = h("span", { class: "percent" });
  const left = h("span", { class: "left muted" });
  const bar = h(
    "div",
    { class: "bar", role: "progressbar", "aria-label": T.bar, "aria-valuemin": "0", "aria-valuemax": "100" },
    h("span", { class: "bar-fill" }),
  );
  const message = h("p", { class: "making-message", hidden: true });
  const stages = h("ol", { class: "stages", "aria-label": T.stages });
  const connection = h("div", { class: "notice", hidden: true }, icon("warning"), h("p", {}, T.lost));
  const element = h(
    "div",
    { class: "making", dataset: { stage: "" } },
    jobHead(job, { title: T.title[job.step] }),
    h(
      "div",
      { class: "making-grid" },
      h("div", { class: "making-frame card" }, photo),
      h(
        "div",
        { class: "card card-pad making-card" },
        h("div", { class: "making-head" }, percent, left),
        bar,
        message,
        stages,
        connection,
        h("p", { class: "muted making-note" }, T.leave),
      ),
    ),
  );
  let said = null;
  const showPhoto = picturesOf(photo);

  const update = (now) => {
    showPhoto(now);
    const share = Math.max(0, Math.min(1, now.fraction ?? 0));
    const whole = Math.floor(share * 100);
    setText(percent, now.state === "queued" ? T.queued : `${whole} %`);
    percent.classList.toggle("words", now.state === "queued");
    bar.setAttribute("aria-valuenow", String(whole));
    bar.firstChild.style.inlineSize = `${share * 100}%`;
    setText(left, timeLeft(now));
    element.dataset.stage = now.stage ?? "";
    showStages(stages, now);
    showMessage(message, now);
    const sentence = now.state === "queued" ? `${T.queued}. ${queue(now)}` : now.message;
    if (sentence && sentence !== said) {
      said = sentence;
      announce(sentence);
    }
  };
  update(job);
  return {
    element,
    update,
    setConnection: (there) => {
      connection.hidden = there;
    },
    destroy() {},
  };
}

/** What is said beyond the names of the stages, which stand in the list: why it takes longer, or what is fetched. */
function showMessage(element, job) {
  const named = job.stages.some((stage) => stage.label === job.message);
  element.hidden = job.state !== "running" || !job.message || named;
  setText(element, element.hidden ? "" : job.message);
}

const queue = (job) => (job.queue_position ? S.progress.queue(job.queue_position) : S.progress.queueNext);

function timeLeft(job) {
  if (job.state === "queued") return queue(job);
  if (job.seconds_left === null || job.seconds_left === undefined) return S.progress.starting;
  return job.seconds_left < 1 ? S.progress.almost : S.progress.left(format.remaining(job.seconds_left));
}

/** The photo as soon as there is one, and the depth map over it where there is one already. */
function picturesOf(holder) {
  const shown = new Map();
  return (job) => {
    // A depth map from before is only shown where this run keeps it.
    const kept = job.stages.some((stage) => stage.name === "depth" && stage.state === "done" && stage.reused);
    const wanted = {
      photo: fileUrl(job, "photo.jpg") ?? previewOf(job.id),
      depth: kept ? fileUrl(job, "depth.jpg") : null,
    };
    for (const [name, source] of Object.entries(wanted)) {
      if (!source || shown.has(name)) continue;
      const alt = name === "photo" ? S.progress.photoAlt : S.progress.depthAlt;
      const image = h("img", { src: source, alt, class: `making-${name}-image` });
      shown.set(name, image);
      holder.append(image);
    }
    holder.classList.toggle("empty", shown.size === 0);
    holder.classList.toggle("scanning", job.state === "running");
  };
}

function showStages(list, job) {
  const known = job.stages.map((stage) => stage.name).join();
  if (list.dataset.known !== known) {
    list.dataset.known = known;
    list.replaceChildren(
      ...job.stages.map((stage) =>
        h(
          "li",
          { dataset: { stage: stage.name } },
          h("span", { class: "stage-mark", "aria-hidden": "true" }),
          h("span", { class: "stage-label" }, stage.label),
          h("span", { class: "stage-note" }),
        ),
      ),
    );
  }
  job.stages.forEach((stage, index) => {
    const item = list.children[index];
    if (item.dataset.state !== stage.state) {
      item.dataset.state = stage.state;
      item.firstChild.replaceChildren(...(MARKS[stage.state] ? [icon(MARKS[stage.state])] : []));
    }
    const state = S.progress.stageState[stage.state] ?? stage.state;
    const time = stage.seconds === null || stage.seconds === undefined ? "" : format.seconds(stage.seconds);
    setText(item.lastChild, stage.reused ? S.progress.reused : stage.state === "done" ? time : state);
  });
}

export function failedPanel(job, actions) {
  const T = S.failed;
  const problem = job.error ?? { detail: T.unknown, hint: T.unknownHint };
  // A photo that can't be read stays so: another one is the way on, not another try.
  const unreadable = problem.code?.startsWith("photo") ?? false;
  const trouble = h("div", { class: "problems" });
  const again = h(
    "button",
    {
      type: "button",
      class: unreadable ? "button" : "button primary",
      onclick: async () => {
        again.disabled = true;
        try {
          await actions.rerun(job.step, {});
        } catch (error) {
          trouble.replaceChildren(problemBox(error));
          again.disabled = false;
        }
      },
    },
    icon("reset"),
    T.again,
  );
  const other = h("a", { class: unreadable ? "button primary" : "button", href: "/" }, icon("folder"), T.other);
  const stages = h("ol", { class: "stages", "aria-label": S.progress.stages });
  const photo = h("div", { class: "making-photo" }, h("span", { class: "making-nothing" }, icon("picture")));
  const element = h(
    "div",
    { class: "making failed" },
    jobHead(job, { title: T.title, onDelete: actions.remove }),
    h(
      "div",
      { class: "making-grid" },
      h("div", { class: "making-frame card" }, photo),
      h(
        "div",
        { class: "making-side" },
        h(
          "div",
          { class: "card card-pad making-card" },
          problemBox(problem),
          trouble,
          h("div", { class: "row" }, unreadable ? [other, again] : [again, other]),
          stages,
        ),
        unreadable ? null : settingsPanel(job, actions).element, // what failed may work with others
      ),
    ),
  );
  const showPhoto = picturesOf(photo);
  const update = (now) => {
    showPhoto(now);
    const stopped = now.stages.map((stage) => (stage.state === "running" ? { ...stage, state: "failed" } : stage));
    showStages(stages, { ...now, stages: stopped });
  };
  update(job);
  return { element, update, destroy() {} };
}
