// Step 3: what was hidden, imagined; before and after; the segments by name; and the word to go on.

import { compareSlider } from "./compare.js";
import { downloads, exporting, facts, report } from "./details.js";
import { h, icon } from "./dom.js";
import { isFinal } from "./events.js";
import { atStep, fileUrl, sceneFiles } from "./files.js";
import * as format from "./format.js";
import { jobHead } from "./head.js";
import { watchModels } from "./models.js";
import { mark } from "./original.js";
import { segmentsPanel } from "./segments.js";
import { settingsPanel } from "./settings.js";
import { S } from "./strings.js";
import { suggestionsPanel } from "./suggestions.js";
import { viewerPanel } from "./viewer/panel.js";
import { wordBox } from "./word.js";

const STEP = "enhanced";
const STAGES = ["segments", "advice", "layers"];
const MODES = ["mesh", "wireframe", "depth"];

export function enhancedPanel(whole, actions) {
  const T = S.enhanced;
  let job = atStep(whole, STEP);
  let made = mark(job);
  const sceneOf = (name) => sceneFiles(whole, name);
  const viewer = viewerPanel(job, { scenes: [sceneOf(STEP), sceneOf("original")], modes: MODES });
  const segments = segmentsPanel(whole, actions);
  const settings = settingsPanel(job, actions);
  const word = wordBox(whole, STEP, actions);
  // What is built anew when the segments have been changed; the rest keeps its camera, its focus and its drafts.
  const parts = {
    summary: () => summary(job),
    notices: () => notices(job),
    suggestions: () => suggestionsPanel(job, actions).element,
    compare: () => compareSection(job),
    facts: () => facts(job),
    downloads: () => downloads(job),
    exporting: () => exporting(job),
    report: () => report(job),
  };
  const shown = Object.fromEntries(Object.entries(parts).map(([name, build]) => [name, build()]));
  const element = h(
    "div",
    { class: "original enhanced" },
    jobHead(job, { title: T.title, lead: shown.summary, onDelete: actions.remove }),
    h(
      "div",
      { class: "original-grid" },
      h(
        "div",
        { class: "original-main" },
        viewer.element,
        word.element,
        shown.notices,
        segments.element,
        shown.suggestions,
        shown.compare,
        shown.facts,
      ),
      h("div", { class: "original-side" }, settings.element, shown.downloads, shown.exporting),
    ),
    shown.report,
  );
  const stopAsking = watchModels(settings.setModels);

  return {
    element,
    stale: (now) => JSON.stringify(now.results[STEP].settings) !== JSON.stringify(job.settings),
    update(now) {
      word.update(now);
      segments.update(now);
      const next = atStep(now, STEP);
      if (!isFinal(now) || mark(next) === made) return;
      job = next;
      made = mark(job);
      viewer.replace(STEP, { scene: fileUrl(now, "scene.glb", STEP) });
      for (const [name, build] of Object.entries(parts)) {
        const fresh = build();
        if (shown[name].open) fresh.open = true;
        shown[name].replaceWith(fresh);
        shown[name] = fresh;
      }
    },
    destroy() {
      stopAsking();
      segments.destroy();
      viewer.destroy();
    },
  };
}

/** "7 things, 12 % imagined" */
function summary(job) {
  const T = S.enhanced;
  return h(
    "span",
    { class: "enhanced-summary" },
    T.lead,
    " ",
    h("strong", {}, [T.things(job.segments ?? 0), T.imagined(format.percent(job.imagined ?? 0))].join(", ")),
    ".",
  );
}

/** The warnings of a step's own stages; those of earlier ones were told there. */
export function notices(job, stages = STAGES) {
  const own = job.report.filter((one) => stages.includes(one.stage));
  const items = [...new Set(own.flatMap((one) => one.warnings))];
  return h(
    "div",
    { class: "notices" },
    items.length ? h("h2", { class: "visually-hidden" }, S.original.notices) : null,
    items.length
      ? h(
          "ul",
          {},
          items.map((text) =>
            h("li", { class: "notice" }, icon("warning"), h("div", { class: "notice-text" }, h("p", {}, text))),
          ),
        )
      : null,
  );
}

function compareSection(job) {
  const T = S.enhanced;
  const url = (name) => fileUrl(job, name, STEP);
  const size = job.camera ?? { width: 4, height: 3 };
  const slider = compareSlider({
    left: { url: url("before.jpg"), name: S.steps.original },
    right: { url: url("after.jpg"), name: S.steps.enhanced },
    size,
    label: T.compareLabel,
    say: T.compareValue,
  });
  const toggle = h("input", {
    type: "checkbox",
    role: "switch",
    class: "switch",
    id: "compare-imagined",
    onchange: () => {
      slider.setRight(url(toggle.checked ? "imagined.jpg" : "after.jpg"));
      slider.element.dataset.imagined = String(toggle.checked);
    },
  });
  return h(
    "section",
    { class: "compare-section card" },
    h("div", { class: "compare-head" }, h("h2", {}, T.compare), h("p", { class: "muted" }, T.compareLead)),
    slider.element,
    h(
      "p",
      { class: "legend" },
      toggle,
      h("label", { for: "compare-imagined" }, T.showImagined),
      h("span", { class: "imagined-dot", "aria-hidden": "true" }),
    ),
  );
}
