// The word to go on: "Validate and Proceed" at the end of a step, and what it led to.

import { h, icon } from "./dom.js";
import { jobUrl } from "./router.js";
import { problemBox } from "./shell.js";
import { S } from "./strings.js";

const NEXT = { original: "enhanced", enhanced: "final" };
const BEFORE = { enhanced: "original", final: "enhanced" };

/** @returns {{ element, update(job) }} */
export function wordBox(job, step, actions) {
  const T = S.word[step];
  const element = h("div", { class: "word card" });
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
          await actions.validate(step);
        } catch (problem) {
          button.disabled = false;
          trouble.replaceChildren(problemBox(problem));
        }
      },
    },
    T.validate ?? S.word.validate,
    icon(step === "final" ? "check" : "arrow"),
  );
  const text = (title, body) => h("div", { class: "word-text" }, title, h("p", { class: "muted" }, body));
  const link = (to, label, primary = false) =>
    h("a", { class: primary ? "button primary" : "button", href: jobUrl(job.id, to) }, label, icon("arrow"));

  const show = {
    validated: () => [
      text(h("h2", {}, icon("check"), T.validated), T.validatedText),
      NEXT[step] ? link(NEXT[step], T.next) : h("a", { class: "button", href: "/" }, T.next, icon("plus")),
    ],
    open: () => [text(h("h2", {}, T.lead), T.text), button, trouble],
    outdated: () => [text(h("h2", {}, T.outdated), T.outdatedText), link(BEFORE[step], T.outdatedNext, true)],
  };

  const update = (now) => {
    const outdated = step !== "original" && (now.step !== step || now.results[step]?.current === false);
    const kind = now.validated.includes(step) ? "validated" : outdated ? "outdated" : "open";
    button.disabled = now.state !== "waiting" || now.step !== step;
    if (element.dataset.kind === kind) return;
    element.dataset.kind = kind;
    element.replaceChildren(...show[kind]());
  };
  update(job);
  return { element, update };
}
