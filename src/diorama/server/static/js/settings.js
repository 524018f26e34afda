// "Run again": the settings as the server describes them; only what was changed is sent.

import { settingsSchema } from "./api.js";
import { sourceName } from "./details.js";
import { h, icon, setText } from "./dom.js";
import * as format from "./format.js";
import { facts, makeField } from "./settings-fields.js";
import { advisorChoice } from "./settings-advisor.js";
import { isModelChoice, modelChoice } from "./settings-model.js";
import { problemBox } from "./shell.js";
import { S } from "./strings.js";

/** What most people change, in this order; the rest is folded away. */
const BASIC = {
  original: ["depth", "depth_range", "fov", "edge_sharpness", "cut_threshold", "triangles"],
  enhanced: ["advisor", "inpaint", "camera_travel", "border", "rim_width", "segment_detail"],
  final: ["optimize", "texture", "lit", "solid"],
};
/** For the command line: the page takes no depth files, and suggestions have switches of their own. */
const NOT_HERE = new Set(["depth_kind", "declined", "declined_plan"]);

/** @param job as it stands at the step whose settings are shown (`atStep`) */
export function settingsPanel(job, actions) {
  const T = S.settings;
  const body = h("div", { class: "settings-body", "aria-busy": "true" }, h("p", { class: "muted" }, S.loading));
  const trouble = h("div", { class: "problems" });
  const count = h("p", { class: "settings-count", "aria-live": "polite" });
  const run = h(
    "button",
    { type: "submit", class: "button wide", id: "run-again", disabled: true },
    icon("reset"),
    T.run,
  );
  const reset = h(
    "button",
    { type: "button", class: "button quiet small", hidden: true, onclick: () => resetAll() },
    T.reset,
  );
  const element = h(
    "form",
    { class: "card settings", dataset: { step: job.step }, "aria-label": T.title, novalidate: true },
    h("div", { class: "settings-head" }, h("h2", {}, T.title), h("span", { class: "spring" }), reset),
    h("p", { class: "muted settings-lead" }, T.lead),
    body,
    h("div", { class: "settings-foot" }, count, trouble, run),
  );
  const fields = new Map(); // name -> { fact, field }
  let models = null; // what the server last said
  const basic = BASIC[job.step];
  const advanced = h("details", { class: "advanced" }, h("summary", {}, T.advanced));
  let wantedFocus = null;

  const changes = () =>
    Object.fromEntries(
      [...fields]
        .map(([name, { field }]) => [name, field.get()])
        .filter(([name, value]) => value !== job.settings[name]),
    );

  function changed() {
    const number = Object.keys(changes()).length;
    setText(count, T.changes(number));
    element.dataset.changes = String(number);
    run.classList.toggle("primary", number > 0);
    reset.hidden = [...fields.values()].every(({ fact, field }) => field.get() === fact.fallback);
  }

  function resetAll() {
    for (const { fact, field } of fields.values()) field.set(fact.fallback);
    changed();
    run.focus();
  }

  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    run.disabled = true;
    trouble.replaceChildren();
    try {
      await actions.rerun(job.step, changes());
    } catch (problem) {
      trouble.replaceChildren(problemBox(problem));
    } finally {
      run.disabled = false;
    }
  });

  function build(schema) {
    const here = new Set(schema.groups.filter((group) => group.step === job.step).flatMap((group) => group.settings));
    const all = Object.entries(schema.properties)
      .filter(([name]) => here.has(name) && !NOT_HERE.has(name))
      .map(([name, one]) => facts(name, one));
    for (const fact of all) {
      const field = isModelChoice(fact.name)
        ? modelChoice(fact.name, job, changed)
        : fact.name === "advisor"
          ? advisorChoice(fact, job, changed)
          : makeField(fact, changed, fact.name === "fov" ? { automatic: automaticFov(job) } : {});
      field.set(job.settings[fact.name] ?? null);
      fields.set(fact.name, { fact, field });
    }
    const elements = (names) => names.filter((name) => fields.has(name)).map((name) => fields.get(name).field.element);
    const rest = all.map((fact) => fact.name).filter((name) => !basic.includes(name));
    advanced.hidden = rest.length === 0;
    advanced.append(
      ...grouped(
        rest.map((name) => fields.get(name)),
        schema.groups,
      ),
    );
    if (models) setModels(models);
    body.replaceChildren(...elements(basic), advanced);
    body.removeAttribute("aria-busy");
    run.disabled = false;
    changed();
    if (wantedFocus) focusOn(wantedFocus);
  }

  function setModels(list) {
    models = list;
    for (const { field } of fields.values()) field.setModels?.(list);
  }

  function focusOn(name) {
    const wanted = fields.get(name);
    wantedFocus = wanted ? null : name;
    if (!wanted) return;
    if (advanced.contains(wanted.field.element)) advanced.open = true;
    wanted.field.element.scrollIntoView({ block: "center", behavior: "smooth" });
    wanted.field.focus();
  }

  settingsSchema().then(build, (problem) => {
    body.removeAttribute("aria-busy");
    body.replaceChildren(h("p", { class: "muted" }, T.failed), problemBox(problem));
  });
  return { element, focusOn, setModels };
}

/** What the camera is taken to be while the field of view is left alone. */
function automaticFov(job) {
  const { camera } = job;
  if (!camera) return null;
  if (job.settings.fov !== null) return { value: job.settings.fov, text: S.settings.auto };
  return { value: camera.fov_x, text: S.settings.fovAuto(format.number(camera.fov_x, 1), sourceName(camera.source)) };
}

/** Fields under the headings of their groups; the schema's own grouping, else by stage. */
function grouped(entries, groups) {
  const byStage = groupByStage(entries);
  const heading = (stage) => {
    const group = (Array.isArray(groups) ? groups : []).find((one) => (one.name ?? one.stage) === stage);
    return group?.label ?? group?.title ?? stage.charAt(0).toUpperCase() + stage.slice(1);
  };
  return [...byStage].map(([stage, list]) =>
    h(
      "fieldset",
      {},
      h("legend", {}, heading(stage)),
      list.map(({ field }) => field.element),
    ),
  );
}

function groupByStage(entries) {
  const result = new Map();
  for (const entry of entries) {
    const { stage } = entry.fact;
    if (!result.has(stage)) result.set(stage, []);
    result.get(stage).push(entry);
  }
  return result;
}
