// What stays while the views change: header, the four steps, footer, messages.

import { h, icon } from "./dom.js";
import { jobUrl, STEPS } from "./router.js";
import { S } from "./strings.js";
import { themeButton } from "./theme.js";

export function buildShell() {
  const main = h("main", { id: "main", tabindex: "-1" });
  const skip = (event) => {
    event.preventDefault(); // a fragment would be a new place in the history
    main.focus();
  };
  document.body.prepend(
    h("a", { class: "skip", href: "#main", onclick: skip }, S.skip),
    h(
      "header",
      { class: "site" },
      h(
        "div",
        { class: "wrap" },
        h("a", { class: "wordmark", href: "/", "aria-label": S.home }, icon("logo", "logo"), h("span", {}, S.product)),
        h(
          "div",
          { class: "site-tools" },
          h("a", { class: "quiet-link", href: "/docs", title: S.apiTitle }, S.api),
          themeButton(),
        ),
      ),
    ),
    h("nav", { class: "steps wrap", "aria-label": S.steps.nav }, h("ol", { id: "steps" })),
    main,
    h("footer", { class: "site-foot" }, h("div", { class: "wrap" }, h("p", {}, icon("shield"), S.footer))),
    h("div", { id: "toasts", role: "status" }),
    h("div", { id: "live", class: "visually-hidden", "aria-live": "polite" }),
  );
  showSteps(null, "upload");
  return main;
}

/** @param job null on the start page  @param shown the step that the page shows */
export function showSteps(job, shown) {
  const list = document.getElementById("steps");
  const items = STEPS.map((name, index) => step(name, index, job, shown));
  // The list is only rebuilt when something on it has changed: a link keeps its focus.
  const key = items.map((item) => item.outerHTML).join("");
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...items);
}

function step(name, index, job, shown) {
  const known = job?.steps?.find((one) => one.name === name);
  const state = known?.state ?? "pending";
  const current = name === shown;
  const label = S.steps[name];
  const note = job ? S.steps.state[state] : "";
  const inside = [
    h("span", { class: "step-mark", "aria-hidden": "true" }, state === "done" ? icon("check") : String(index + 1)),
    h(
      "span",
      { class: "step-text" },
      h("span", { class: "step-label" }, label),
      note ? h("span", { class: "step-note" }, note) : null,
    ),
  ];
  return h(
    "li",
    { class: "step", dataset: { step: name, state }, "aria-current": current ? "step" : null },
    job ? h("a", { href: jobUrl(job.id, name) }, inside) : h("span", { class: "step-inside" }, inside),
  );
}

/** A message at the bottom of the page, with at most one action. */
export function toast(text, { action = null, onAction = () => {}, onEnd = () => {}, seconds = 7 } = {}) {
  const close = (acted) => {
    clearTimeout(timer);
    element.remove();
    if (!acted) onEnd();
  };
  const element = h(
    "div",
    { class: "toast" },
    h("span", {}, text),
    action
      ? h(
          "button",
          {
            type: "button",
            class: "toast-action",
            onclick: () => {
              onAction();
              close(true);
            },
          },
          action,
        )
      : null,
    h(
      "button",
      { type: "button", class: "icon-button small", "aria-label": S.close, onclick: () => close(false) },
      icon("close"),
    ),
  );
  const timer = setTimeout(() => close(false), seconds * 1000);
  document.getElementById("toasts").append(element);
  return { close: () => close(true), end: () => close(false) };
}

export function setTitle(text) {
  document.title = text;
}

/** A problem as the page shows it: what is wrong, and what to do. */
export function problemBox(problem, ...actions) {
  return h(
    "div",
    { class: "notice error", role: "alert" },
    icon("warning"),
    h(
      "div",
      { class: "notice-text" },
      h("p", { class: "notice-title" }, problem.message ?? problem.detail),
      problem.hint ? h("p", {}, problem.hint) : null,
      actions.length ? h("div", { class: "row" }, actions) : null,
    ),
  );
}
