// The name of the thing under the mouse.

import { pick } from "./pick.js";

const PAUSE = 60; // ms between two looks: each asks every triangle

export function createNames(stage) {
  const { surface, overlay, modes } = stage;
  const label = document.createElement("span");
  label.className = "viewer-name";
  label.hidden = true;
  label.setAttribute("aria-hidden", "true"); // for the mouse alone: the list of things is elsewhere
  overlay.append(label);
  let on = false;
  let last = null;
  let timer = 0;

  const look = () => {
    timer = 0;
    if (!last || !on) return;
    const hit = pick(stage, last.clientX, last.clientY);
    const name = hit ? modes().file.things.get(hit.object.userData.segment) : null;
    label.hidden = !name;
    if (!name) return;
    label.textContent = name;
    const box = surface.getBoundingClientRect();
    label.style.setProperty("--x", `${last.clientX - box.left}px`);
    label.style.setProperty("--y", `${last.clientY - box.top}px`);
  };
  const move = (event) => {
    last = event.pointerType === "mouse" && !event.buttons ? event : null;
    if (!last) label.hidden = true;
    else if (on && !timer) timer = setTimeout(look, PAUSE);
  };
  const leave = () => {
    last = null;
    label.hidden = true;
  };
  surface.addEventListener("pointermove", move);
  surface.addEventListener("pointerleave", leave);

  return {
    /** Whether the scene has names. */
    any: () => modes().file.things.size > 0,
    set(next) {
      on = next;
      if (!on) label.hidden = true;
    },
    isOn: () => on,
    destroy() {
      clearTimeout(timer);
      surface.removeEventListener("pointermove", move);
      surface.removeEventListener("pointerleave", leave);
      label.remove();
    },
  };
}
