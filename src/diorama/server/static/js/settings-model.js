// The choice of what runs: a depth model for step 2, an inpainter and a segmenter for step 3.

import { h, setText } from "./dom.js";
import * as format from "./format.js";
import { S } from "./strings.js";

/** setting -> the stage that reads it, and the API's list of what there is */
const CHOICES = {
  depth: { stage: "depth", list: "models" },
  inpaint: { stage: "layers", list: "inpainters" },
  segmenter: { stage: "segments", list: "segmenters" },
};

/** The depth that the photo's file carries: a choice for photos that have it. */
const EMBEDDED = "embedded";

export const isModelChoice = (name) => name in CHOICES;

/** What ran at the job's step and why, and the choice for the next run. A field for `settings.js`. */
export function modelChoice(setting, job, onChange) {
  const { stage, list } = CHOICES[setting];
  const T = S.settings.model[setting];
  const ran = job.report.find((one) => one.stage === stage);
  const id = `setting-${setting}`;
  const select = h("select", {
    id,
    "aria-describedby": `${id}-note`,
    onchange: () => {
      showNote();
      onChange();
    },
  });
  const note = h("p", { class: "field-note", id: `${id}-note` });
  const element = h(
    "div",
    { class: "field", dataset: { setting } },
    h("div", { class: "field-head" }, h("label", { for: id }, T.label)),
    h("div", { class: "select" }, select),
    note,
    ran ? h("p", { class: "field-note" }, S.settings.ran(nameOf({ name: ran.backend }), ran.reason)) : null,
  );
  const option = (name, text, disabled = false) => h("option", { value: name, disabled }, text);
  const carried = setting === "depth" ? job.carried : null;
  let wanted = job.settings[setting];
  let known = [];
  let disk = 0; // bytes that downloaded weights take on the server

  function showNote() {
    const chosen = known.find((model) => model.name === select.value);
    const leaves = select.value === "openai";
    note.classList.toggle("field-warning", leaves);
    const about = chosen ? [chosen.note, S.settings.licence(chosen.licence)] : [];
    if (chosen?.available && chosen.bytes) about.push(S.settings.weights(format.bytes(chosen.bytes)));
    if (select.value === "auto" && disk) about.push(S.settings.modelAutoNote, S.settings.disk(format.bytes(disk)));
    setText(note, leaves ? S.settings.leaves : about.join(" "));
  }

  const setModels = (all) => {
    known = all[list] ?? [];
    disk = all.disk_bytes ?? 0;
    const chosen = select.value || wanted;
    const options = [
      option("auto", S.settings.modelAuto),
      ...(carried ? [option(EMBEDDED, S.settings.carried(carried))] : []),
      ...known
        .filter((model) => model.name !== "auto")
        .map((model) => option(model.name, modelLabel(model), !model.available)),
    ];
    const named = chosen === "auto" || (carried && chosen === EMBEDDED) || known.some((model) => model.name === chosen);
    if (!named) options.push(option(chosen, chosen));
    select.replaceChildren(...options);
    select.value = chosen;
    showNote();
  };
  const set = (name) => {
    wanted = name;
    if (![...select.options].some((one) => one.value === name))
      select.append(option(name, name === "auto" ? S.settings.modelAuto : name));
    select.value = name;
    showNote();
  };
  set(wanted);
  return { element, get: () => select.value || wanted, set, focus: () => select.focus(), setModels };
}

const nameOf = (model) => S.modelNames[model.name] ?? model.label ?? model.name;

function modelLabel(model) {
  const T = S.settings;
  const name = nameOf(model);
  if (model.available) return name;
  if (model.name === "openai") return `${name} (${T.keyMissing})`;
  if (model.state === "downloading") return `${name} (${T.modelArriving(Math.floor((model.fraction ?? 0) * 100))})`;
  return `${name} (${T.modelMissing}${model.bytes ? `, ${format.bytes(model.bytes)}` : ""})`;
}
