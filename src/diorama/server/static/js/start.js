// The start page: what this is, the upload, the examples, the earlier scenes.

import { paperTheatre } from "./art.js";
import { h, icon } from "./dom.js";
import { exampleRow, historySection } from "./gallery.js";
import { setTitle, showSteps } from "./shell.js";
import { S } from "./strings.js";
import { uploader } from "./uploader.js";

export function startView() {
  setTitle(S.start.title);
  showSteps(null, "upload");
  const art = paperTheatre(S.start.art);
  const upload = uploader(art.element);
  const history = historySection();
  const element = h(
    "div",
    { class: "start wrap" },
    h(
      "div",
      { class: "hero" },
      h(
        "div",
        { class: "hero-text" },
        h("h1", { tabindex: "-1" }, S.start.heading),
        h("p", { class: "lead" }, S.start.lead),
        h("ul", { class: "promises" }, S.start.points.map(promise)),
      ),
      upload.element,
    ),
    exampleRow(upload),
    history.element,
  );
  return {
    jobId: null,
    element,
    destroy() {
      art.destroy();
      upload.destroy();
      history.destroy();
    },
  };
}

const promise = ([name, title, text]) =>
  h("li", {}, icon(name, "icon promise-icon"), h("div", {}, h("strong", {}, title), h("span", {}, text)));
