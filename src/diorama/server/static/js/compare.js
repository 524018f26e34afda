// Photo and depth map over each other, with a divider: a range input, so that keys and screen readers work it too.

import { h, icon } from "./dom.js";
import { S } from "./strings.js";

/** @param urls {{ photo: string, depth: string }}  @param size {{ width: number, height: number }} of the photo */
export function compareSlider(urls, size) {
  const T = S.original;
  const image = (source, alt, className) =>
    h("img", { src: source, alt, class: className, width: size.width, height: size.height, draggable: "false" });
  const range = h("input", {
    type: "range",
    min: "0",
    max: "100",
    step: "1",
    value: "50",
    "aria-label": T.compareLabel,
  });
  const element = h(
    "div",
    { class: "compare" },
    image(urls.depth, T.depth, "compare-depth"),
    image(urls.photo, T.photo, "compare-photo"),
    h("span", { class: "compare-line", "aria-hidden": "true" }, h("span", { class: "compare-grip" }, icon("grip"))),
    h("span", { class: "compare-tag left", "aria-hidden": "true" }, T.photo),
    h("span", { class: "compare-tag right", "aria-hidden": "true" }, T.depth),
    range,
  );
  element.style.setProperty("--ratio", String(size.width / size.height));
  const show = () => {
    const photo = Number(range.value);
    element.style.setProperty("--photo", `${photo}%`);
    element.dataset.photo = range.value;
    range.setAttribute("aria-valuetext", T.compareValue(100 - photo));
  };
  range.addEventListener("input", show);
  show();
  return h("div", { class: "compare-stage" }, element);
}
