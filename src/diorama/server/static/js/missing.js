// What is shown at an address where nothing is, or nothing any more.

import { h } from "./dom.js";
import { problemBox, setTitle, showSteps } from "./shell.js";
import { S } from "./strings.js";

/** @param problem { message, hint }: what is wrong, and what to do */
export function missingPanel(problem) {
  showSteps(null, "upload");
  setTitle(`${S.missing.title} · ${S.product}`);
  return h(
    "div",
    { class: "message-panel" },
    h("h1", { tabindex: "-1" }, S.missing.title),
    problemBox(problem),
    h("a", { class: "button primary", href: "/" }, S.missing.back),
  );
}

/** For addresses that the page doesn't have. */
export function missingView() {
  const panel = missingPanel(S.missing.address);
  return { jobId: null, element: h("div", { class: "job wrap", dataset: { panel: "missing" } }, panel), destroy() {} };
}
