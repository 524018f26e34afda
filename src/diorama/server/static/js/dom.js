// Elements from JavaScript: no templates, no innerHTML with anything that came from outside.

import { ICONS } from "./icons.js";

/**
 * h("button", { class: "quiet", onclick: f, "aria-label": "Close", disabled: false }, "text", child, [children])
 * null and false children and properties are left out; true gives an empty attribute.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value" && "value" in element) element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** An icon of icons.js; decoration, so hidden from screen readers. */
export function icon(name, className = "icon") {
  const holder = document.createElement("span");
  holder.className = className;
  holder.setAttribute("aria-hidden", "true");
  holder.innerHTML = ICONS[name]; // a constant of this page
  return holder;
}

/** Set only what changed: an untouched text node keeps a selection and stays quiet for screen readers. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Say something to screen readers without moving the focus. */
export function announce(text) {
  const region = document.getElementById("live");
  if (!region) return;
  region.textContent = "";
  // Two equal sentences in a row are only read when the region was empty in between.
  setTimeout(() => {
    region.textContent = text;
  }, 60);
}

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
