// Steps 3 and 4: what they will do, said plainly, until they are here.

import { h, icon } from "./dom.js";
import { fileUrl } from "./files.js";
import { jobHead } from "./head.js";
import { jobUrl } from "./router.js";
import { S } from "./strings.js";

export function comingPanel(step, job) {
  const T = S.coming[step];
  const validated = job.validated.includes("original");
  const thumbnail = fileUrl(job, "thumbnail.jpg");
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
        h("p", { class: "chip" }, S.coming.chip),
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
            h("span", {}, validated ? S.coming.validated : S.coming.notYet),
          ),
          h("a", { class: "button wide", href: jobUrl(job.id, "original") }, icon("left"), S.coming.back),
        ),
      ),
    ),
  );
  return { element, update() {}, destroy() {} };
}
