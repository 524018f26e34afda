// What the panels of the three steps have alike: the head, a wide column and a narrow one, the report below them.

import { h, icon } from "./dom.js";
import { S } from "./strings.js";

/** @param step its name: a step's styles come on top of those of the steps before it */
export function stepPanel(step, { head, main, side, report }) {
  const styles = { original: "original", enhanced: "original enhanced", final: "original enhanced final" };
  return h(
    "div",
    { class: styles[step] },
    head,
    h("div", { class: "original-grid" }, h("div", { class: "original-main" }, main), h("div", { class: "original-side" }, side)),
    report,
  );
}

/** What was done, and what came of it in numbers. */
export const leadText = (lead, outcome, end = "") =>
  h("span", { class: "enhanced-summary" }, lead, " ", h("strong", {}, outcome), end);

/** A card that compares pictures. */
export const pictureCard = (title, lead, ...content) =>
  h(
    "section",
    { class: "compare-section card" },
    h("div", { class: "compare-head" }, h("h2", {}, title), h("p", { class: "muted" }, lead)),
    content,
  );

/** What a panel shows of a job's result; it is built anew when this changes. */
export const mark = (job) =>
  JSON.stringify([job.settings, job.report, job.files.map((file) => [file.name, file.bytes])]);

/** The warnings of a step's own stages; those of earlier ones were told there. */
export function notices(job, stages) {
  const own = job.report.filter((one) => stages.includes(one.stage));
  const items = [...new Set(own.flatMap((one) => one.warnings))];
  return h("div", { class: "notices" }, noticeList(items.map((text) => notice(text))));
}

/** A notice with what can be done about it. */
export const notice = (text, ...rest) =>
  h(
    "li",
    { class: "notice" },
    icon("warning"),
    h("div", { class: "notice-text" }, h("p", {}, text), rest.length ? h("div", { class: "row" }, rest) : null),
  );

/** A list of notices under its heading; nothing where there are none. */
export const noticeList = (items) =>
  items.length ? [h("h2", { class: "visually-hidden" }, S.original.notices), h("ul", {}, items)] : [];
