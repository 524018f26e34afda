// One control for each kind of setting, made from its piece of the JSON schema.

import { h, icon, setText } from "./dom.js";
import * as format from "./format.js";
import { scaleOf } from "./settings-scale.js";
import { S } from "./strings.js";

const POSITIONS = 1000;
const SHORT_UNIT = 10; // characters: longer ones don't fit beside the label

/** A setting's facts from its JSON schema; optional ones (`float | None`) hold them one level down. */
export function facts(name, schema) {
  const inner = schema.anyOf?.find((one) => one.type !== "null") ?? {};
  const all = { ...inner, ...schema };
  return {
    name,
    type: all.enum ? "enum" : all.type,
    options: all.enum ?? [],
    label: all.label ?? all.title ?? name,
    unit: all.unit ?? "",
    about: all.description ?? "",
    minimum: all.minimum ?? all.exclusiveMinimum ?? null,
    maximum: all.maximum ?? all.exclusiveMaximum ?? null,
    step: all.step ?? (all.type === "integer" ? 1 : 0.1),
    slider: all.slider ?? false,
    stage: all.stage ?? "",
    fallback: all.default ?? null,
    optional: Boolean(schema.anyOf?.some((one) => one.type === "null")),
  };
}

export const sayValue = (fact, value) => {
  if (value === null) return S.settings.auto;
  if (typeof value === "boolean") return value ? S.settings.on : S.settings.off;
  if (typeof value !== "number") return String(value);
  const text = format.number(value, 3);
  return fact.unit ? `${text}${fact.unit === "°" ? "" : " "}${fact.unit}` : text;
};

/** Label, "about" button, the control itself and the way back to the default, in one row. */
function shell(fact, control, { id, head = null, onReset }) {
  const about = h("p", { class: "field-about", id: `${id}-about`, hidden: true }, fact.about);
  const ask = h(
    "button",
    {
      type: "button",
      class: "field-ask",
      "aria-expanded": "false",
      "aria-controls": about.id,
      "aria-label": S.settings.about(fact.label),
      onclick: () => {
        about.hidden = !about.hidden;
        ask.setAttribute("aria-expanded", String(!about.hidden));
      },
    },
    icon("question"),
  );
  const back = h(
    "button",
    {
      type: "button",
      class: "field-back",
      hidden: true,
      title: S.settings.backTo(fact.label, sayValue(fact, fact.fallback)),
      "aria-label": S.settings.backTo(fact.label, sayValue(fact, fact.fallback)),
      onclick: onReset,
    },
    icon("reset"),
  );
  const element = h(
    "div",
    { class: "field", dataset: { setting: fact.name } },
    h(
      "div",
      { class: "field-head" },
      h("label", { for: id }, fact.label),
      fact.about ? ask : null,
      h("span", { class: "spring" }),
      back,
      head,
    ),
    control,
    fact.about ? about : null,
  );
  return { element, back };
}

/** @returns {{ element, get, set, focus }}  @param onChange is called after every change by hand */
export function makeField(fact, onChange, context = {}) {
  const id = `setting-${fact.name}`;
  if (fact.type === "boolean") return switchField(fact, id, onChange);
  if (fact.type === "enum") return selectField(fact, id, onChange);
  if (fact.minimum !== null && fact.maximum !== null && !fact.plain) return sliderField(fact, id, onChange, context);
  return numberField(fact, id, onChange);
}

function switchField(fact, id, onChange) {
  const input = h("input", {
    type: "checkbox",
    role: "switch",
    id,
    class: "switch",
    onchange: () => {
      show();
      onChange();
    },
  });
  const { element, back } = shell(fact, null, {
    id,
    head: input,
    onReset: () => {
      set(fact.fallback);
      onChange();
      input.focus();
    },
  });
  element.classList.add("field-switch");
  const show = () => {
    back.hidden = input.checked === fact.fallback;
  };
  const set = (value) => {
    input.checked = value;
    show();
  };
  return { element, get: () => input.checked, set, focus: () => input.focus() };
}

/** A choice of a few. @param names what the options are called, where their own names say too little */
export function selectField(fact, id, onChange, names = S.advice.choices[fact.name] ?? {}) {
  const select = h(
    "select",
    {
      id,
      onchange: () => {
        show();
        onChange();
      },
    },
    fact.options.map((name) => h("option", { value: name }, names[name] ?? name)),
  );
  const { element, back } = shell(fact, h("div", { class: "select" }, select), {
    id,
    onReset: () => {
      set(fact.fallback);
      onChange();
      select.focus();
    },
  });
  const show = () => {
    back.hidden = select.value === fact.fallback;
  };
  const set = (value) => {
    select.value = value;
    show();
  };
  return { element, select, get: () => select.value, set, focus: () => select.focus() };
}

/** A slider with an exact field beside it; an optional setting stands on "automatic" until it is moved. */
function sliderField(fact, id, onChange, { automatic = null } = {}) {
  const limits = {
    minimum: fact.minimum,
    maximum: fact.maximum,
    step: fact.step,
    fallback: fact.fallback ?? automatic?.value ?? fact.minimum,
  };
  const scale = scaleOf(limits);
  let value = fact.fallback;
  const range = h("input", { type: "range", id, min: "0", max: String(POSITIONS), step: "1" });
  const exact = h("input", {
    type: "number",
    class: "exact",
    inputmode: "decimal",
    min: String(fact.minimum),
    max: String(fact.maximum),
    step: "any",
    "aria-label": S.settings.exact(fact.label),
  });
  exact.style.setProperty("--digits", String(Math.max(4, String(fact.maximum).length)));
  const short = fact.unit.length <= SHORT_UNIT;
  const unit = h("span", { class: "field-unit" }, short ? fact.unit : "");
  const note = h("p", { class: "field-note" });
  const { element, back } = shell(fact, h("div", { class: "field-body" }, range, note), {
    id,
    head: h("span", { class: "field-exact" }, exact, unit),
    onReset: () => {
      set(fact.fallback);
      onChange();
      range.focus();
    },
  });

  const shownNumber = () => value ?? automatic?.value ?? limits.fallback;
  const show = (but = null) => {
    const number = shownNumber();
    if (but !== range) range.value = String(Math.round(scale.toPosition(number) * POSITIONS));
    if (but !== exact) exact.value = String(Number(number.toFixed(Math.max(scale.decimals, value === null ? 1 : 3))));
    range.style.setProperty("--share", `${(Number(range.value) / POSITIONS) * 100}%`);
    range.setAttribute("aria-valuetext", value === null ? (automatic?.text ?? S.settings.auto) : sayValue(fact, value));
    back.hidden = value === fact.fallback;
    element.classList.toggle("is-automatic", value === null);
    setText(note, value === null ? (automatic?.text ?? S.settings.auto) : short ? "" : S.settings.inUnits(fact.unit));
  };
  const set = (next) => {
    value = next;
    show();
  };
  const move = (next, but = null) => {
    value = next;
    show(but);
    onChange();
  };

  range.addEventListener("input", () => move(scale.toValue(Number(range.value) / POSITIONS), range));
  range.addEventListener("keydown", (event) => {
    // A step of the setting, not of the slider: on a bent scale the two differ.
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (!steps) return;
    event.preventDefault();
    const next = Math.min(fact.maximum, Math.max(fact.minimum, shownNumber() + steps * fact.step));
    move(Number(next.toFixed(scale.decimals)));
  });
  exact.addEventListener("input", () => {
    const next = exact.valueAsNumber;
    if (Number.isFinite(next) && next >= fact.minimum && next <= fact.maximum)
      move(fact.type === "integer" ? Math.round(next) : next, exact);
  });
  exact.addEventListener("change", () => {
    const next = exact.valueAsNumber;
    if (Number.isFinite(next))
      value = Math.min(fact.maximum, Math.max(fact.minimum, fact.type === "integer" ? Math.round(next) : next));
    show();
    onChange();
  });
  return { element, get: () => value, set, focus: () => range.focus() };
}

/** A number without an upper limit, or one for which a slider is no use: empty means its default. */
function numberField(fact, id, onChange) {
  const input = h("input", {
    type: "number",
    id,
    class: "exact wide",
    inputmode: "decimal",
    step: "any",
    min: fact.minimum === null ? null : String(fact.minimum),
    max: fact.maximum === null ? null : String(fact.maximum),
    placeholder: fact.plain ? sayValue({ ...fact, unit: "" }, fact.fallback) : S.settings.focalAuto,
    oninput: () => {
      show();
      onChange();
    },
  });
  const { element, back } = shell(fact, null, {
    id,
    head: h("span", { class: "field-exact" }, input, h("span", { class: "field-unit" }, fact.unit)),
    onReset: () => {
      set(fact.fallback);
      onChange();
      input.focus();
    },
  });
  const get = () => (Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : fact.fallback);
  const show = () => {
    back.hidden = get() === fact.fallback;
  };
  const set = (value) => {
    input.value = value === null ? "" : String(value);
    show();
  };
  return { element, get, set, focus: () => input.focus() };
}
