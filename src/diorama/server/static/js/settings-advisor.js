// Who is asked about the scene; for GPT-4 what is sent, where to and what it costs, before anything is sent.

import { adviceEstimate } from "./api.js";
import { h, setText } from "./dom.js";
import * as format from "./format.js";
import { selectField } from "./settings-fields.js";
import { S } from "./strings.js";

/** A field for `settings.js`. */
export function advisorChoice(fact, job, onChange) {
  const T = S.advice;
  const field = selectField(
    fact,
    "setting-advisor",
    () => {
      show();
      onChange();
    },
    T.names,
  );
  const note = h("p", { class: "field-note", id: "setting-advisor-note" });
  const price = h("p", { class: "field-note", dataset: { estimate: "" } });
  field.element.append(note, price);
  field.select.setAttribute("aria-describedby", note.id);
  let estimate = null;

  function show() {
    const name = field.select.value;
    note.classList.toggle("field-warning", name === "openai");
    setText(note, T.notes[name] ?? "");
    price.hidden = name !== "openai";
    if (name === "openai") void ask();
  }

  async function ask() {
    try {
      estimate ??= await adviceEstimate(job.id);
      setText(price, sentence(estimate));
    } catch (problem) {
      setText(price, problem.message);
    }
  }

  function sentence({ available, reason, tokens, usd, model, server }) {
    if (!available) return reason;
    const cost = usd === null ? null : `$${format.number(usd, 3)}`;
    return `${T.estimate(format.number(tokens), cost)} ${model}, ${server}.`;
  }

  return {
    ...field,
    set(value) {
      field.set(value);
      show();
    },
  };
}
