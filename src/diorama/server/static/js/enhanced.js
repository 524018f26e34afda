// Step 3: what was hidden, imagined; before and after; the segments by name; and the word to go on.

import { compareSlider } from "./compare.js";
import { downloads, exporting, facts, report } from "./details.js";
import { h } from "./dom.js";
import { isFinal } from "./events.js";
import { atStep, fileUrl, sceneFiles } from "./files.js";
import * as format from "./format.js";
import { jobHead } from "./head.js";
import { watchModels } from "./models.js";
import { segmentsPanel } from "./segments.js";
import { settingsPanel } from "./settings.js";
import { leadText, mark, notices, pictureCard, stepPanel } from "./step-panel.js";
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
    notices: () => notices(job, STAGES),
    suggestions: () => suggestionsPanel(job, actions).element,
    compare: () => compareSection(job),
    facts: () => facts(job),
    downloads: () => downloads(job),
    exporting: () => exporting(job),
    report: () => report(job),
  };
  const shown = Object.fromEntries(Object.entries(parts).map(([name, build]) => [name, build()]));
  const element = stepPanel(STEP, {
    head: jobHead(job, { title: T.title, lead: shown.summary, onDelete: actions.remove }),
    main: [
      viewer.element,
      word.element,
      shown.notices,
      segments.element,
      shown.suggestions,
      shown.compare,
      shown.facts,
    ],
    side: [settings.element, shown.downloads, shown.exporting],
    report: shown.report,
  });
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
  const counts = [T.things(job.segments ?? 0), T.imagined(format.percent(job.imagined ?? 0))];
  return leadText(T.lead, counts.join(", "), ".");
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
  return pictureCard(
    T.compare,
    T.compareLead,
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
