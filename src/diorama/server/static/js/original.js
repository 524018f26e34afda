// Step 2: the scene in 3D, the depth map, the settings, the files; and the word to go on.

import { compareSlider } from "./compare.js";
import { depthReport, downloads, exporting, facts, report } from "./details.js";
import { h, icon } from "./dom.js";
import { atStep, fileUrl, sceneFiles } from "./files.js";
import { jobHead } from "./head.js";
import { watchModels } from "./models.js";
import { settingsPanel } from "./settings.js";
import { problemBox } from "./shell.js";
import { mark, notice, noticeList, pictureCard, stepPanel } from "./step-panel.js";
import { S } from "./strings.js";
import { viewerPanel } from "./viewer/panel.js";
import { wordBox } from "./word.js";

export function originalPanel(whole, actions) {
  const T = S.original;
  const job = atStep(whole, "original");
  const urls = {
    scene: fileUrl(job, "scene.glb"),
    depth: fileUrl(job, "depth.jpg"),
    points: fileUrl(job, "points_preview.ply"),
  };
  const viewer = viewerPanel(job, { scenes: [sceneFiles(job, "original", urls)] });
  const painting = h("div", { class: "brush-place" });
  let brush = null;
  let destroyed = false;
  // Not part of the first page: it is asked for where there is something to paint on.
  void import("./brush.js").then(({ brushPanel }) => {
    if (destroyed) return;
    brush = brushPanel(job, { viewer, urls, actions });
    painting.append(brush.element);
  });
  const settings = settingsPanel(job, actions);
  const word = wordBox(whole, "original", actions);
  const told = h("div", { class: "notices" });
  const element = stepPanel("original", {
    head: jobHead(job, { title: T.title, onDelete: actions.remove }),
    main: [viewer.element, word.element, told, compareSection(job), painting, facts(job)],
    side: [settings.element, downloads(job), exporting(job)],
    report: report(job),
  });
  const made = mark(job);
  showNotices(told, job, settings, null, actions);
  const stopAsking = watchModels((list) => {
    settings.setModels(list);
    showNotices(told, job, settings, betterModel(job, list.models), actions);
  });

  return {
    element,
    stale: (now) => mark(atStep(now, "original")) !== made,
    update(next) {
      word.update(next);
      brush?.update(next);
    },
    destroy() {
      destroyed = true;
      stopAsking();
      viewer.destroy();
    },
  };
}

function compareSection(job) {
  const T = S.original;
  const photo = fileUrl(job, "photo.jpg");
  const depth = fileUrl(job, "depth.jpg");
  if (!photo || !depth) return null;
  const size = job.camera ?? { width: 4, height: 3 };
  return pictureCard(
    T.compare,
    T.compareLead,
    compareSlider({
      left: { url: photo, name: T.photo },
      right: { url: depth, name: T.depth },
      size,
      label: T.compareLabel,
      say: T.compareValue,
    }).element,
    h(
      "p",
      { class: "legend" },
      h("span", {}, T.near),
      h("span", { class: "legend-ramp", "aria-hidden": "true" }),
      h("span", {}, T.far),
    ),
  );
}

function showNotices(box, job, settings, better, actions) {
  const T = S.original;
  const assumed = job.camera?.source === "assumed";
  const toFov = () =>
    h("button", { type: "button", class: "button small", onclick: () => settings.focusOn("fov") }, T.setFov);
  const isFocal = (text) => /focal|field of view/i.test(text);
  const items = [...new Set(job.warnings)].map((text) =>
    assumed && isFocal(text) ? notice(text, toFov()) : notice(text),
  );
  if (assumed && !job.warnings.some(isFocal)) items.unshift(notice(T.focal, toFov()));
  if (better) {
    const again = h(
      "button",
      {
        type: "button",
        class: "button small",
        onclick: async () => {
          again.disabled = true;
          try {
            await actions.rerun("original", { depth: better.name });
          } catch (problem) {
            again.replaceWith(problemBox(problem));
          }
        },
      },
      T.withModel(better.label ?? better.name),
    );
    items.unshift(
      h(
        "li",
        { class: "notice ok", dataset: { notice: "better-model" } },
        icon("spark"),
        h(
          "div",
          { class: "notice-text" },
          h("p", {}, T.weights(better.label ?? better.name)),
          h("div", { class: "row" }, again),
        ),
      ),
    );
  }
  box.replaceChildren(...noticeList(items));
}

/** Weights that came after this scene was made with the bundled network, for lack of them. */
function betterModel(job, list) {
  const ran = depthReport(job)?.backend;
  if (job.settings.depth !== "auto" || ran !== "bundled") return null;
  // Best first: those that the automatic choice prefers stand before the bundled one.
  const bundled = list.findIndex((model) => model.name === "bundled");
  return list.slice(0, bundled < 0 ? list.length : bundled).find((model) => model.available) ?? null;
}
