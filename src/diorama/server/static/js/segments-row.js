// One segment in the list: choose it, see what it is, give it another name.

import { h, icon, setText } from "./dom.js";
import * as format from "./format.js";
import { S } from "./strings.js";

const LONGEST = 60; // characters, as the server has it

/** @returns {{ element, setName, setSelected, setEditable, focus }} */
export function segmentRow(thing, { selected, onHover, onSelect, onRename }) {
  const T = S.segments;
  let name = thing.name;
  const check = h("input", {
    type: "checkbox",
    class: "segment-check",
    checked: selected,
    "aria-label": T.select(name),
    onchange: () => onSelect(check.checked),
  });
  const label = h("span", { class: "segment-name" }, name);
  const button = h(
    "button",
    { type: "button", class: "segment-rename", title: T.rename(name), "aria-label": T.rename(name), onclick: begin },
    label,
    icon("pen"),
  );
  const input = h("input", {
    type: "text",
    class: "segment-input",
    maxlength: String(LONGEST),
    "aria-label": T.newName(name),
    hidden: true,
    onkeydown: (event) => {
      if (event.key === "Enter") end(true);
      else if (event.key === "Escape") end(false);
      else return;
      event.preventDefault();
      button.focus();
    },
    onblur: () => end(true),
  });
  const element = h(
    "li",
    {
      class: "segment",
      dataset: { segment: String(thing.id), kind: thing.kind },
      onpointerenter: () => onHover(thing.id),
      onpointerleave: () => onHover(null),
      onfocusin: () => onHover(thing.id),
      onfocusout: () => onHover(null),
    },
    check,
    h(
      "span",
      { class: "segment-text" },
      button,
      input,
      h(
        "span",
        { class: "segment-kind" },
        T.what(thing.kind, format.number(thing.near, 1), format.number(thing.far, 1)),
      ),
    ),
    h("span", { class: "segment-share", title: T.share }, format.percent(thing.area)),
  );

  function begin() {
    input.value = name;
    button.hidden = true;
    input.hidden = false;
    input.focus();
    input.select();
  }

  function end(keep) {
    if (input.hidden) return;
    input.hidden = true;
    button.hidden = false;
    const wanted = input.value.trim();
    if (keep && wanted && wanted !== name) onRename(wanted);
  }

  return {
    element,
    setName(next) {
      name = next;
      setText(label, name);
      check.setAttribute("aria-label", T.select(name));
      input.setAttribute("aria-label", T.newName(name));
      button.title = T.rename(name);
      button.setAttribute("aria-label", T.rename(name));
    },
    setSelected(on) {
      check.checked = on;
      onSelect(on);
    },
    setEditable(on) {
      button.disabled = !on;
      check.disabled = !on;
    },
    focus: () => button.focus(),
  };
}
