// The head of every panel of a job: what it is, of which photo, since when.

import { h, icon } from "./dom.js";
import * as format from "./format.js";
import { S } from "./strings.js";

/** @param onDelete leaves the button out when null */
export function jobHead(job, { title, lead = null, onDelete = null }) {
  return h(
    "header",
    { class: "job-head" },
    h(
      "div",
      { class: "job-head-text" },
      h(
        "p",
        { class: "job-name" },
        h("span", { class: "job-file", title: job.name }, job.name),
        h("time", { datetime: job.created, title: format.moment(job.created) }, format.ago(job.created)),
      ),
      h("h1", { tabindex: "-1" }, title),
      lead ? h("p", { class: "lead" }, lead) : null,
    ),
    onDelete
      ? h(
          "div",
          { class: "row job-tools" },
          h(
            "a",
            { class: "button small", href: "/", title: S.original.another },
            icon("plus"),
            h("span", { class: "job-tools-text" }, S.original.another),
          ),
          h(
            "button",
            {
              type: "button",
              class: "icon-button",
              title: S.original.delete,
              "aria-label": S.original.delete,
              onclick: onDelete,
            },
            icon("trash"),
          ),
        )
      : null,
  );
}
