// The correction brush of step 2: kinds, size and strength, undo and redo; the 3D view follows each stroke at once.

import * as api from "./api.js";
import { brushPicture } from "./brush-picture.js";
import { announce, h, icon, setText } from "./dom.js";
import { isFinal } from "./events.js";
import { fileUrl } from "./files.js";
import { problemBox } from "./shell.js";
import { S } from "./strings.js";

const KINDS = ["nearer", "farther", "same", "flat", "cut", "join", "sky"];
const STRENGTH = { nearer: 15, farther: 15, same: 100, flat: 100, join: 100 }; // per cent; cut and sky have none

/**
 * @param viewer the step's 3D view, which shows the preview  @param urls its files
 * @returns {{ element, update(job) }}
 */
export function brushPanel(job, { viewer, urls, actions }) {
  const T = S.brush;
  let now = job;
  let strokes = []; // as the server keeps them
  let redo = [];
  let pending = false;
  let loaded = false;
  let kind = "nearer";
  let here = null; // same: the place whose depth is taken
  let version = 0;
  const strengths = { ...STRENGTH };
  const trouble = h("div", { class: "problems" });
  const state = h("p", { class: "muted brush-state", role: "status" });
  const hint = h("p", { class: "muted brush-hint" }, T.hint[kind]);
  const radius = slider(T.size, 0.5, 10, 0.5, 2, () => picture.refresh());
  const strength = slider(T.strength, 5, 100, 5, strengths[kind], () => {
    strengths[kind] = Number(strength.input.value);
  });
  const brush = () => ({ kind, radius: Number(radius.input.value) / 100, here, picks: kind === "same" && !here });
  const picture = brushPicture(job, { brush, onStroke: paint, onPick: pick });
  const kinds = new Map(
    KINDS.map((name) => [
      name,
      h(
        "button",
        { type: "button", class: "brush-kind", dataset: { kind: name }, onclick: () => choose(name) },
        h("span", { class: `brush-dot ${name}`, "aria-hidden": "true" }),
        T.kind[name],
      ),
    ]),
  );
  const tool = (name, text, onclick) =>
    h("button", { type: "button", class: "button small", disabled: true, onclick }, icon(name), h("span", {}, text));
  const undoButton = tool("reset", T.undo, undo);
  const redoButton = tool("arrow", T.redo, redoLast);
  const clearButton = tool("trash", T.clear, clear);
  const again = h("button", { type: "button", class: "button primary", disabled: true, onclick: apply }, T.apply);
  const another = h(
    "button",
    { type: "button", class: "button small", hidden: true, onclick: () => setHere(null) },
    T.another,
  );
  const onDepth = h("button", { type: "button", class: "button small", "aria-pressed": "false" }, icon("depth"), T.onDepth);
  onDepth.addEventListener("click", () => {
    onDepth.setAttribute("aria-pressed", String(onDepth.getAttribute("aria-pressed") !== "true"));
    showPicture();
  });
  const count = h("span", { class: "muted brush-count" });
  const element = h(
    "details",
    { class: "card brush", dataset: { count: "0", pending: "false", state: "closed" } },
    h("summary", {}, icon("pen"), h("h2", {}, T.title), count),
    h(
      "div",
      { class: "brush-body" },
      h("p", { class: "muted brush-lead" }, T.lead),
      h("div", { class: "brush-kinds", role: "group", "aria-label": T.kinds }, [...kinds.values()]),
      h("div", { class: "brush-hint-row" }, hint, another),
      h("div", { class: "brush-picture-side" }, picture.element),
      h("div", { class: "brush-sliders" }, radius.element, strength.element),
      h("div", { class: "brush-tools" }, onDepth, undoButton, redoButton, clearButton),
      trouble,
      h("div", { class: "brush-end" }, state, again),
    ),
  );
  element.addEventListener("toggle", () => {
    if (element.open && element.dataset.state === "closed") void begin();
  });
  element.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    if (event.shiftKey) void redoLast();
    else void undo();
  });

  const editable = () => isFinal(now) && loaded;

  /** What the server keeps; the tool opens by itself where something was painted before. */
  async function load() {
    try {
      take(await api.corrections(job.id));
      loaded = true;
      show();
      if (strokes.length) element.open = true;
    } catch (problem) {
      trouble.replaceChildren(problemBox(problem));
    }
  }

  async function begin() {
    element.dataset.state = "ready";
    show();
    if (pending) preview();
    else void api.warmPreview(job.id); // so that the first stroke is followed at once
  }

  function take(answer) {
    strokes = answer.corrections;
    pending = answer.pending;
  }

  let queue = Promise.resolve(); // strokes arrive in the order in which they were painted
  function send(request, done) {
    queue = queue.then(async () => {
      trouble.replaceChildren();
      try {
        take(await request());
        show();
        preview();
        announce(done);
      } catch (problem) {
        trouble.replaceChildren(problemBox(problem));
        show();
      }
    });
    return queue;
  }

  function preview() {
    version += 1;
    const files = pending
      ? { ...urls, scene: api.previewUrl(job.id, "glb", version), depth: api.previewUrl(job.id, "jpg", version) }
      : urls;
    viewer.replace("original", files);
    showPicture();
  }

  function showPicture() {
    const depth = pending ? api.previewUrl(job.id, "jpg", version) : fileUrl(job, "depth.jpg");
    picture.setPicture(onDepth.getAttribute("aria-pressed") === "true" ? depth : fileUrl(job, "photo.jpg"));
  }

  function paint(points) {
    if (kind === "cut" && points.length < 2) return trouble.replaceChildren(h("p", { class: "muted" }, T.cutNeedsLine));
    const stroke = { kind, points, radius: brush().radius };
    if (kind in strengths) stroke.strength = strengths[kind] / 100;
    if (kind === "same") stroke.here = here;
    strokes = [...strokes, stroke]; // at once: the server's answer follows
    redo = [];
    picture.show(strokes);
    void send(() => api.addCorrection(job.id, stroke), T.painted(T.kind[kind]));
  }

  function undo() {
    if (undoButton.disabled) return;
    redo.push(strokes.at(-1));
    void send(() => api.undoCorrection(job.id), T.undone);
  }

  function redoLast() {
    if (redoButton.disabled) return;
    const stroke = redo.pop();
    void send(() => api.addCorrection(job.id, stroke), T.painted(T.kind[stroke.kind]));
  }

  function clear() {
    redo = [...strokes].reverse();
    void send(() => api.clearCorrections(job.id), T.cleared);
  }

  async function apply() {
    again.disabled = true;
    try {
      await queue;
      await actions.rerun("original", {});
    } catch (problem) {
      trouble.replaceChildren(problemBox(problem));
      show();
    }
  }

  function pick(point) {
    setHere(point);
    announce(T.picked);
  }

  function setHere(point) {
    here = point;
    choose(kind);
  }

  function choose(name) {
    if (name !== "same") here = null;
    kind = name;
    for (const [one, button] of kinds) button.setAttribute("aria-pressed", String(one === kind));
    setText(hint, kind === "same" && here ? T.hintSame : T.hint[kind]);
    another.hidden = !here;
    strength.element.hidden = !(kind in strengths);
    strength.set(strengths[kind] ?? 100);
    picture.refresh();
  }

  function show() {
    element.dataset.count = String(strokes.length);
    element.dataset.pending = String(pending);
    setText(count, strokes.length ? T.count(strokes.length) : "");
    picture.show(strokes);
    picture.setEnabled(editable());
    undoButton.disabled = clearButton.disabled = !strokes.length || !editable();
    redoButton.disabled = !redo.length || !editable();
    again.disabled = !pending || !editable();
    setText(state, pending ? T.pending : strokes.length ? T.made : "");
  }

  choose(kind);
  void load();
  return {
    element,
    update(next) {
      now = next;
      show();
    },
  };
}

function slider(label, min, max, step, value, onInput) {
  const input = h("input", { type: "range", min, max, step, value, "aria-label": label });
  const output = h("output", {});
  const show = () => {
    setText(output, `${input.value} %`);
    input.setAttribute("aria-valuetext", `${input.value} %`);
  };
  input.addEventListener("input", () => {
    show();
    onInput();
  });
  show();
  return {
    input,
    element: h("label", { class: "brush-slider" }, h("span", {}, label), input, output),
    set(next) {
      input.value = next;
      show();
    },
  };
}
