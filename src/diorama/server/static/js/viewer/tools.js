// The viewer's tools: three buttons that everyone needs, and a menu with the rest.

import { h, icon } from "../dom.js";
import { VIEWER as T } from "../strings-viewer.js";
import { download } from "./shot.js";
import { canTilt } from "./tilt.js";
import { xrKinds } from "./xr.js";

const tool = (name, label, onclick, extra = {}) =>
  h("button", { type: "button", class: "viewer-tool", title: label, "aria-label": label, onclick, ...extra }, icon(name));

/**
 * @param name of the photo, for pictures' file names  @param view() the view, null while there is none
 * @param say shows a sentence over the scene (null takes it away)  @param help { modes, several } for the list of keys
 * @param onReset, onMotion, onFull what the first three buttons do
 */
export function viewerTools({ name, view, say, help, onReset, onMotion, onFull }) {
  const reset = tool("reset", T.reset, onReset);
  const motion = tool("motion", T.motion, onMotion, { "aria-pressed": "false" });
  const full = tool("full", T.full, onFull);
  const more = tool("more", T.moreTitle, () => open(menu.hidden), { "aria-expanded": "false" });
  const keys = keysDialog(help);
  const blur = slider("blur", T.blur, T.blurHint, (share) => view()?.blur.set(share));
  const explode = slider("explode", T.explode, null, (share) => view()?.explode.set(share));
  const measure = toggle("ruler", T.measure, (on) => view()?.ruler.set(on));
  const names = toggle("tag", T.names, (on) => view()?.names.set(on));
  const tilt = toggle("phone", T.tilt, setTilt);
  const save = row("picture", T.save, () => void savePicture());
  const help_ = row("keyboard", T.keys, () => keys.showModal());
  const heads = h("div", { class: "viewer-heads", hidden: true });
  for (const part of [explode.element, names, tilt]) part.hidden = true;
  const menu = h(
    "div",
    { class: "viewer-menu", role: "group", "aria-label": T.more, hidden: true },
    [blur.element, explode.element, measure, names, tilt, heads, save, help_],
  );
  const element = h("div", { class: "viewer-tools" }, reset, motion, full, more);

  function open(on) {
    menu.hidden = !on;
    more.setAttribute("aria-expanded", String(on));
  }

  async function setTilt(on) {
    if (!on) return view()?.tilt.stop();
    const allowed = await view()?.tilt.start().catch(() => false);
    if (!allowed) {
      press(tilt, false);
      say(T.tiltRefused, 4000);
    }
  }

  async function savePicture() {
    if (!view()) return;
    download(await view().picture(), T.fileName(name));
  }

  async function showHeads() {
    const buttons = (await xrKinds()).map((kind) =>
      row("headset", T[kind], () => view()?.xr.start(kind).catch(() => say(T.xrFailed, 4000))),
    );
    heads.replaceChildren(...buttons);
    heads.hidden = !buttons.length;
  }

  return {
    element,
    menu,
    keys,
    /** The view is there, or shows another scene. */
    update() {
      const { layers, names: things, ruler, tilt: tilting } = view();
      explode.element.hidden = layers() < 2;
      names.hidden = !things.any();
      tilt.hidden = !canTilt();
      ruler.onSay((sentence) => say(sentence));
      tilting.onChange((on) => press(tilt, on));
    },
    begin: showHeads,
    showMotion: (on) => motion.setAttribute("aria-pressed", String(on)),
    showFull(on) {
      full.title = on ? T.exitFull : T.full;
      full.setAttribute("aria-label", full.title);
      full.replaceChildren(icon(on ? "shrink" : "full"));
    },
    /** Back to where everything was at first. */
    reset() {
      blur.set(0);
      explode.set(0);
      press(measure, false);
    },
    toggleMeasure: () => measure.click(),
    save: () => void savePicture(),
    help: () => keys.showModal(),
    isOpen: () => !menu.hidden,
    open,
    remove() {
      for (const part of [element, menu, keys]) part.remove();
    },
  };
}

function row(name, label, onclick) {
  return h("button", { type: "button", class: "viewer-row", onclick }, icon(name), h("span", {}, label));
}

function toggle(name, label, onChange) {
  const button = row(name, label, () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    press(button, on);
    onChange(on);
  });
  press(button, false);
  return button;
}

const press = (button, on) => button.setAttribute("aria-pressed", String(on));

/** A slider from 0 to 100 %; the hint is only of use above 0. */
function slider(name, label, hint, onChange) {
  const value = h("output", { class: "viewer-value" }, T.percent(0));
  const input = h("input", { type: "range", min: "0", max: "100", step: "1", value: "0", "aria-label": label });
  const about = hint ? h("p", { class: "viewer-about", hidden: true }, hint) : null;
  const show = () => {
    value.textContent = T.percent(input.value);
    input.setAttribute("aria-valuetext", value.textContent);
    if (about) about.hidden = input.value === "0";
  };
  input.addEventListener("input", () => {
    show();
    onChange(Number(input.value) / 100);
  });
  const element = h(
    "div",
    { class: "viewer-slider", dataset: { slider: name } },
    h("p", { class: "viewer-slider-head" }, icon(name), h("span", {}, label), value),
    input,
    about,
  );
  return {
    element,
    set(share) {
      input.value = String(Math.round(share * 100));
      show();
    },
  };
}

function keysDialog({ modes, several }) {
  const list = T.keyList(modes, several).flatMap(([key, what]) => [h("dt", {}, key), h("dd", {}, what)]);
  const dialog = h(
    "dialog",
    { class: "viewer-keys", "aria-label": T.keysTitle },
    h("h2", {}, T.keysTitle),
    h("dl", {}, list),
    h("button", { type: "button", class: "viewer-close", onclick: () => dialog.close() }, T.closeKeys),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  return dialog;
}
