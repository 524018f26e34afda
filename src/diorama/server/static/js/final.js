// Step 4: the fused scene; what was suggested and what became of it; the four steps side by side; all files.

import { compareSlider } from "./compare.js";
import { downloads, exporting, facts, report } from "./details.js";
import { h } from "./dom.js";
import { atStep, fileUrl, sceneFiles } from "./files.js";
import { jobHead } from "./head.js";
import { watchModels } from "./models.js";
import { settingsPanel } from "./settings.js";
import { leadText, mark, notices, pictureCard, stepPanel } from "./step-panel.js";
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
  const lead = leadText(T.lead, T.done(mine.filter((one) => one.applied).length, mine.length));
  const element = stepPanel(STEP, {
    head: jobHead(job, { title: T.title, lead, onDelete: actions.remove }),
    main: [
      viewer.element,
      word.element,
      notices(job, STAGES),
      suggestions.element,
      compareSection(job),
      textureSection(job),
      stepsSection(whole),
      facts(job),
    ],
    side: [settings.element, downloads(job), exporting(job)],
    report: report(job),
  });
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

function compareSection(job) {
  const T = S.final;
  const slider = compareSlider({
    left: { url: fileUrl(job, "before.jpg", STEP), name: S.steps.enhanced },
    right: { url: fileUrl(job, "after.jpg", STEP), name: S.steps.final },
    size: job.camera ?? { width: 4, height: 3 },
    label: T.compareLabel,
    say: T.compareValue,
  });
  return pictureCard(T.compare, T.compareLead, slider.element);
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
  const made = pictureCard(T.texture, T.textureLead, slider.element);
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
  return pictureCard(T.steps, T.stepsLead, h("ol", { class: "four-steps" }, figures));
}
