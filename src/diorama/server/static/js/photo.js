// Step 1 of a job that exists: the photo that the scene is made from.

import { h, icon } from "./dom.js";
import { fileUrl } from "./files.js";
import { jobHead } from "./head.js";
import { jobUrl } from "./router.js";
import { previewOf } from "./session.js";
import { S } from "./strings.js";

export function photoPanel(job) {
  const box = h("div", { class: "photo-box card" });
  const element = h(
    "div",
    {},
    jobHead(job, { title: S.photo.title, lead: S.photo.lead }),
    box,
    h(
      "div",
      { class: "row after" },
      h("a", { class: "button primary", href: jobUrl(job.id, "original") }, S.photo.open, icon("arrow")),
      h("a", { class: "button", href: "/" }, icon("plus"), S.photo.another),
    ),
  );
  let shown = null;
  const update = (now) => {
    const source = fileUrl(now, "photo.jpg") ?? previewOf(now.id);
    if (source && source === shown) return;
    shown = source;
    const { width, height } = now.camera ?? {};
    box.replaceChildren(
      source
        ? h("img", { src: source, alt: now.name, width, height })
        : h("p", { class: "muted card-pad" }, S.photo.pending),
    );
  };
  update(job);
  return { element, update, destroy() {} };
}
