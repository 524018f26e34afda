// Two pictures over each other, with a divider: a range input, so that keys and screen readers work it too.

import { h, icon } from "./dom.js";

/**
 * @param left, right {{ url: string, name: string }} what is on each side of the divider
 * @param size {{ width: number, height: number }} of the pictures
 * @param label of the divider  @param say the sentence for so many percent of the right picture
 * @returns {{ element, setRight(url) }}
 */
export function compareSlider({ left, right, size, label, say }) {
  const image = ({ url, name }, side) =>
    h("img", {
      src: url,
      alt: name,
      class: `compare-${side}`,
      width: size.width,
      height: size.height,
      draggable: "false",
    });
  const range = h("input", { type: "range", min: "0", max: "100", step: "1", value: "50", "aria-label": label });
  const under = image(right, "right");
  const element = h(
    "div",
    { class: "compare" },
    under,
    image(left, "left"),
    h("span", { class: "compare-line", "aria-hidden": "true" }, h("span", { class: "compare-grip" }, icon("grip"))),
    h("span", { class: "compare-tag left", "aria-hidden": "true" }, left.name),
    h("span", { class: "compare-tag right", "aria-hidden": "true" }, right.name),
    range,
  );
  element.style.setProperty("--ratio", String(size.width / size.height));
  const show = () => {
    element.style.setProperty("--left", `${range.value}%`);
    range.setAttribute("aria-valuetext", say(100 - Number(range.value)));
  };
  range.addEventListener("input", show);
  show();
  return {
    element: h("div", { class: "compare-stage" }, element),
    setRight(url) {
      under.src = url;
    },
  };
}
