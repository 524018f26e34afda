// Step 2: the scene in 3D, the depth map, the settings, the files; and the word to go on.

import { models } from "./api.js";
import { compareSlider } from "./compare.js";
import { depthReport, downloads, facts, report } from "./details.js";
import { h, icon } from "./dom.js";
import { fileUrl } from "./files.js";
import { jobHead } from "./head.js";
import { jobUrl } from "./router.js";
import { settingsPanel } from "./settings.js";
import { problemBox } from "./shell.js";
import { S } from "./strings.js";
import { viewerPanel } from "./viewer/panel.js";

const MODELS_MS = 30000;
const MODELS_ASKED = 40; // for 20 minutes: a download that takes longer is seen after a reload

export function originalPanel(job, actions) {
  const T = S.original;
  const viewer = viewerPanel(job);
  const settings = settingsPanel(job, actions);
  const word = h("div", { class: "word card" });
  const notices = h("div", { class: "notices" });
  const element = h(
    "div",
    { class: "original" },
    jobHead(job, { title: T.title, onDelete: actions.remove }),
    h(
      "div",
      { class: "original-grid" },
      h("div", { class: "original-main" }, viewer.element, word, notices, compareSection(job), facts(job)),
      h("div", { class: "original-side" }, settings.element, downloads(job)),
    ),
    report(job),
  );
  const made = mark(job);
  showWord(word, job, actions);
  showNotices(notices, job, settings, null, actions);
  const stopAsking = watchModels((list) => {
    settings.setModels(list);
    showNotices(notices, job, settings, betterModel(job, list), actions);
  });

  return {
    element,
    stale: (now) => mark(now) !== made,
    update(now) {
      showWord(word, now, actions);
    },
    destroy() {
      stopAsking();
      viewer.destroy();
    },
  };
}

/** What a panel shows of a job's result; it is built anew when this changes. */
const mark = (job) => JSON.stringify([job.settings, job.report, job.files.map((file) => [file.name, file.bytes])]);

function showWord(box, job, actions) {
  const T = S.original;
  const validated = job.validated.includes("original");
  if (box.dataset.validated === String(validated)) return;
  const before = box.dataset.validated;
  box.dataset.validated = String(validated);
  if (validated) {
    const title = h("h2", { tabindex: "-1" }, icon("check"), T.validated);
    box.replaceChildren(
      h("div", { class: "word-text" }, title, h("p", { class: "muted" }, T.validatedText)),
      h("a", { class: "button", href: jobUrl(job.id, "enhanced") }, T.next, icon("arrow")),
    );
    if (before === "false") title.focus({ preventScroll: true });
    return;
  }
  const trouble = h("div", { class: "problems" });
  const button = h(
    "button",
    {
      type: "button",
      class: "button primary",
      id: "validate",
      onclick: async () => {
        button.disabled = true;
        trouble.replaceChildren();
        try {
          await actions.validate();
        } catch (problem) {
          button.disabled = false;
          trouble.replaceChildren(problemBox(problem));
        }
      },
    },
    T.validate,
    icon("arrow"),
  );
  box.replaceChildren(
    h("div", { class: "word-text" }, h("h2", {}, T.validateLead), h("p", { class: "muted" }, T.validateText)),
    button,
    trouble,
  );
}

function compareSection(job) {
  const T = S.original;
  const photo = fileUrl(job, "photo.jpg");
  const depth = fileUrl(job, "depth.jpg");
  if (!photo || !depth) return null;
  const size = job.camera ?? { width: 4, height: 3 };
  return h(
    "section",
    { class: "compare-section card" },
    h("div", { class: "compare-head" }, h("h2", {}, T.compare), h("p", { class: "muted" }, T.compareLead)),
    compareSlider({ photo, depth }, size),
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
  const about = (text, ...rest) =>
    h(
      "li",
      { class: "notice" },
      icon("warning"),
      h("div", { class: "notice-text" }, h("p", {}, text), rest.length ? h("div", { class: "row" }, rest) : null),
    );
  const isFocal = (text) => /focal|field of view/i.test(text);
  const items = [...new Set(job.warnings)].map((text) =>
    assumed && isFocal(text) ? about(text, toFov()) : about(text),
  );
  if (assumed && !job.warnings.some(isFocal)) items.unshift(about(T.focal, toFov()));
  if (better) {
    const again = h(
      "button",
      {
        type: "button",
        class: "button small",
        onclick: async () => {
          again.disabled = true;
          try {
            await actions.rerun({ depth: better.name });
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
  box.replaceChildren(...(items.length ? [h("h2", { class: "visually-hidden" }, T.notices), h("ul", {}, items)] : []));
}

/** Weights that came after this scene was made with the bundled network, for lack of them. */
function betterModel(job, list) {
  const ran = depthReport(job)?.backend;
  if (job.settings.depth !== "auto" || ran !== "bundled") return null;
  return list.find((model) => model.available && model.name.startsWith("midas")) ?? null;
}

function watchModels(onList) {
  let timer = 0;
  let asked = 0;
  let stopped = false;
  const ask = async () => {
    asked += 1;
    try {
      const list = await models();
      if (stopped) return;
      onList(list);
      if (list.every((model) => model.available)) return;
    } catch {
      // The choice of models is extra: the settings work without it, and the next round may bring it.
    }
    if (!stopped && asked < MODELS_ASKED) timer = setTimeout(ask, MODELS_MS);
  };
  void ask();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
