// Step 4: the fused scene; what was suggested and what became of it; the four steps side by side; all files.

import { compareSlider } from "./compare.js";
import { downloads, exporting, facts, report } from "./details.js";
import { h } from "./dom.js";
import { notices } from "./enhanced.js";
import { atStep, fileUrl, sceneFiles } from "./files.js";
import { jobHead } from "./head.js";
import { watchModels } from "./models.js";
import { mark } from "./original.js";
import { settingsPanel } from "./settings.js";
import { S } from "./strings.js";
import { suggestionsPanel } from "./suggestions.js";
import { viewerPanel } from "./viewer/panel.js";
import { wordBox } from "./word.js";

const STEP = "final";
const STAGES = ["plan", "tune", "rebuild", "texture", "synthesis"];
const MODES = ["mesh", "wireframe", "depth"];

export function finalPanel(whole, actions) {
  const T = S.final;
  const job = atStep(whole, STEP);
  const made = mark(job);
  const sceneOf = (name) => sceneFiles(whole, name);
  const viewer = viewerPanel(job, { scenes: [sceneOf(STEP), sceneOf("enhanced"), sceneOf("original")], modes: MODES });
  const settings = settingsPanel(job, actions);
  const suggestions = suggestionsPanel(job, actions);
  const word = wordBox(whole, STEP, actions);
  const mine = job.suggestions.filter((one) => one.topic !== "segments" && one.what !== "caption");
  const lead = h(
    "span",
    { class: "enhanced-summary" },
    T.lead,
    " ",
    h("strong", {}, T.done(mine.filter((one) => one.applied).length, mine.length)),
  );
  const element = h(
    "div",
    { class: "original enhanced final" },
    jobHead(job, { title: T.title, lead, onDelete: actions.remove }),
    h(
      "div",
      { class: "original-grid" },
      h(
        "div",
        { class: "original-main" },
        viewer.element,
        word.element,
        notices(job, STAGES),
        suggestions.element,
        compareSection(job),
        textureSection(job),
        stepsSection(whole),
        facts(job),
      ),
      h("div", { class: "original-side" }, settings.element, downloads(job), exporting(job)),
    ),
    report(job),
  );
  const stopAsking = watchModels(settings.setModels);

  return {
    element,
    stale: (now) => mark(atStep(now, STEP)) !== made,
    update: word.update,
    destroy() {
      stopAsking();
      viewer.destroy();
    },
  };
}

function section(title, lead, ...content) {
  return h(
    "section",
    { class: "compare-section card" },
    h("div", { class: "compare-head" }, h("h2", {}, title), h("p", { class: "muted" }, lead)),
    content,
  );
}

function compareSection(job) {
  const T = S.final;
  const slider = compareSlider({
    left: { url: fileUrl(job, "before.jpg", STEP), name: S.steps.enhanced },
    right: { url: fileUrl(job, "after.jpg", STEP), name: S.steps.final },
    size: job.camera ?? { width: 4, height: 3 },
    label: T.compareLabel,
    say: T.compareValue,
  });
  return section(T.compare, T.compareLead, slider.element);
}

/** Only where something was done to the texture: two equal pictures would be a riddle. */
function textureSection(job) {
  const T = S.final;
  if (!job.suggestions.some((one) => one.topic === "texture" && one.applied)) return null;
  const slider = compareSlider({
    left: { url: fileUrl(job, "texture_before.jpg", STEP), name: T.before },
    right: { url: fileUrl(job, "texture_after.jpg", STEP), name: T.after },
    size: { width: 1, height: 1 },
    label: T.textureLabel,
    say: T.textureValue,
  });
  const made = section(T.texture, T.textureLead, slider.element);
  made.classList.add("texture-section");
  return made;
}

function stepsSection(whole) {
  const T = S.final;
  const pictures = [
    ["photo.jpg", "original", T.photo],
    ["before.jpg", "enhanced", S.steps.original],
    ["after.jpg", "enhanced", S.steps.enhanced],
    ["after.jpg", STEP, S.steps.final],
  ];
  const figures = pictures.map(([name, step, label], index) => {
    const url = fileUrl(whole, name, step);
    return url
      ? h(
          "li",
          {},
          h(
            "figure",
            {},
            h("a", { href: url }, h("img", { src: url, alt: label, loading: "lazy" })),
            h("figcaption", {}, h("span", { class: "step-number" }, String(index + 1)), label),
          ),
        )
      : null;
  });
  return section(T.steps, T.stepsLead, h("ol", { class: "four-steps" }, figures));
}
