// What a step will do, said plainly, until the step before it is validated or it is part of this version.

import { h, icon } from "./dom.js";
import { fileUrl } from "./files.js";
import { jobHead } from "./head.js";
import { jobUrl } from "./router.js";
import { S } from "./strings.js";

export function comingPanel(step, job) {
  const T = S.coming[step];
  const from = step === "final" ? "enhanced" : "original";
  const validated = job.validated.includes(from);
  const thumbnail = fileUrl(job, "thumbnail.jpg", from) ?? fileUrl(job, "thumbnail.jpg");
  const element = h(
    "div",
    { class: "coming" },
    jobHead(job, { title: T.title, lead: T.lead }),
    h(
      "div",
      { class: "coming-grid" },
      h(
        "section",
        { class: "card coming-card" },
        h("p", { class: "chip" }, T.chip),
        h(
          "ul",
          { class: "coming-list" },
          T.points.map(([name, title, text]) =>
            h(
              "li",
              {},
              icon(name, "icon promise-icon"),
              h("div", {}, h("h2", {}, title), h("p", { class: "muted" }, text)),
            ),
          ),
        ),
      ),
      h(
        "aside",
        { class: "card coming-from" },
        thumbnail ? h("img", { src: thumbnail, alt: S.viewer.thumbnail }) : null,
        h(
          "div",
          { class: "card-pad" },
          h(
            "p",
            { class: validated ? "notice ok" : "muted" },
            validated ? icon("check") : null,
            h("span", {}, validated ? T.validated : T.notYet),
          ),
          h("a", { class: "button wide", href: jobUrl(job.id, from) }, icon("left"), T.back),
        ),
      ),
    ),
  );
  return { element, update() {}, destroy() {} };
}
