// What an advisor suggested, line by line: the reason, what became of it, and a switch to do without it.

import { h, icon, setText } from "./dom.js";
import * as format from "./format.js";
import { problemBox } from "./shell.js";
import { S } from "./strings.js";

/** Which lines a step lists, and the setting that holds what is declined there. */
const LISTED = {
  enhanced: { topics: ["scene", "segments"], setting: "declined" },
  final: { topics: ["scene", "parameters", "texture", "fusion"], setting: "declined_plan" },
};

/** @param job as it stands at the step (`atStep`) */
export function suggestionsPanel(job, actions) {
  const T = S.suggestions;
  const { topics, setting } = LISTED[job.step];
  const caption = job.suggestions.find((one) => one.what === "caption");
  const lines = job.suggestions.filter((one) => topics.includes(one.topic) && one !== caption);
  const switches = new Map(); // key -> its switch
  const trouble = h("div", { class: "problems" });
  const count = h("p", { class: "muted", "aria-live": "polite" });
  const run = h(
    "button",
    { type: "submit", class: "button", id: "run-suggestions", disabled: true },
    icon("reset"),
    T.run,
  );

  const declinedBefore = new Set(
    String(job.settings[setting] ?? "")
      .split(",")
      .map((key) => key.trim())
      .filter(Boolean),
  );
  // What step 3 has declined is not to be had back here.
  const fixed = (one) => one.declined && !declinedBefore.has(one.key);
  const declinedNow = () => {
    const keys = new Set(declinedBefore);
    for (const [key, input] of switches) input.checked ? keys.delete(key) : keys.add(key);
    return [...keys];
  };
  const changed = () => {
    const before = (key) => !declinedBefore.has(key);
    const number = [...switches].filter(([key, input]) => input.checked !== before(key) && !input.disabled).length;
    run.disabled = number === 0;
    run.classList.toggle("primary", number > 0);
    setText(count, T.changes(number));
  };

  const row = (one) => {
    const id = `suggestion-${one.key.replaceAll(".", "-")}`;
    const label = T.what[one.what] ?? one.what;
    const title = one.about.length ? `${label}: ${one.about.join(", ")}` : label;
    const input = h("input", {
      type: "checkbox",
      role: "switch",
      class: "switch",
      id,
      checked: !one.declined,
      disabled: fixed(one),
      "aria-label": T.follow(title),
      onchange: changed,
    });
    switches.set(one.key, input);
    const state = one.declined ? "declined" : one.applied === null ? "later" : one.applied ? "applied" : "not";
    return h(
      "li",
      { class: "suggestion", dataset: { key: one.key, state } },
      input,
      h(
        "div",
        { class: "suggestion-text" },
        h(
          "p",
          { class: "suggestion-head" },
          h("label", { for: id }, title),
          h("span", { class: "suggestion-value" }, sayValue(one)),
          h("span", { class: "chip" }, T.source[one.source] ?? one.source),
          one.confidence < 1 ? h("span", { class: "muted" }, T.sure(format.percent(one.confidence))) : null,
        ),
        h("p", { class: "muted" }, one.reason),
        h(
          "p",
          { class: "suggestion-outcome" },
          h("strong", {}, one.outcome ? `${T.state[state]}:` : T.state[state]),
          one.outcome ? ` ${one.outcome}` : "",
          one.after && one.after !== one.before ? h("span", { class: "suggestion-change" }, T.change(one.before, one.after)) : null,
        ),
      ),
    );
  };

  const groups = topics
    .map((topic) => [topic, lines.filter((one) => one.topic === topic)])
    .filter(([, list]) => list.length)
    .map(([topic, list]) =>
      h("div", { class: "suggestion-group" }, h("h3", {}, T.topics[topic]), h("ul", {}, list.map(row))),
    );

  const element = h(
    "form",
    { class: "card suggestions", "aria-label": T.title[job.step], dataset: { adviser: job.adviser ?? "off" } },
    h(
      "div",
      { class: "compare-head" },
      h("h2", {}, T.title[job.step]),
      caption ? h("p", { class: "suggestion-caption" }, String(caption.value)) : null,
      h("p", { class: "muted" }, job.adviser === "off" ? T.off : lines.length ? (T.by[job.adviser] ?? "") : T.none),
    ),
    groups,
    job.dropped.length
      ? h(
          "details",
          { class: "suggestion-dropped" },
          h("summary", {}, T.dropped(job.dropped.length)),
          h(
            "ul",
            {},
            job.dropped.map((text) => h("li", {}, text)),
          ),
        )
      : null,
    lines.length ? h("div", { class: "suggestion-foot" }, count, trouble, run) : null,
  );
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    run.disabled = true;
    trouble.replaceChildren();
    try {
      await actions.rerun(job.step, { [setting]: declinedNow().join(",") });
    } catch (problem) {
      trouble.replaceChildren(problemBox(problem));
      changed();
    }
  });
  return { element };
}

/** A number with its unit, an amount in percent, words as they are. */
function sayValue({ what, topic, value }) {
  if (typeof value !== "number") return String(value);
  if (["texture", "fusion"].includes(topic) || ["roughness", "metallic", "smoothing", "second_look"].includes(what))
    return format.percent(value);
  return `${format.number(value, 1)}${S.suggestions.units[what] ?? ""}`;
}
