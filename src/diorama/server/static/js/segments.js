// The things in the photo: outlines over the photo and a list beside it; names, merging, splitting.

import * as api from "./api.js";
import { announce, h, icon, setText } from "./dom.js";
import { isFinal } from "./events.js";
import * as format from "./format.js";
import { segmentRow } from "./segments-row.js";
import { segmentsPicture } from "./segments-picture.js";
import { problemBox } from "./shell.js";
import { S } from "./strings.js";

const STEP = "enhanced";

/** @returns {{ element, update(job), destroy() }} */
export function segmentsPanel(job, actions) {
  const T = S.segments;
  let now = job;
  let things = []; // the largest first
  let edits = 0; // that could be taken back
  let selected = new Set();
  let made = null; // what the shown outlines are those of
  const rows = new Map(); // id -> row
  const list = h("ul", { class: "segment-list", "aria-label": T.list });
  const count = h("p", { class: "muted" });
  const trouble = h("div", { class: "problems" });
  const busy = h(
    "p",
    { class: "segments-busy", role: "status", hidden: true },
    h("span", { class: "spinner", "aria-hidden": "true" }),
    h("span", {}, T.updating),
  );
  const picture = segmentsPicture(job, { onHover: highlight, onChoose: choose, onSplit: split });
  const mergeButton = h(
    "button",
    { type: "button", class: "button small", disabled: true, onclick: merge },
    icon("merge"),
    T.merge(0),
  );
  const splitButton = h(
    "button",
    {
      type: "button",
      class: "button small",
      "aria-pressed": "false",
      onclick: () => splitting(!picture.isSplitting()),
    },
    icon("split"),
    T.split,
  );
  const undoButton = h(
    "button",
    {
      type: "button",
      class: "icon-button",
      title: T.undo,
      "aria-label": T.undo,
      disabled: true,
      onclick: () => edit(api.undoSegments, T.undone),
    },
    icon("reset"),
  );
  const element = h(
    "section",
    { class: "card segments", "aria-label": T.title, dataset: { state: "loading", count: "0" } },
    h("div", { class: "compare-head" }, h("h2", {}, T.title), count),
    h(
      "div",
      { class: "segments-body" },
      h("div", { class: "segments-picture-side" }, picture.element),
      h(
        "div",
        { class: "segments-list-side" },
        h(
          "div",
          { class: "segments-tools", role: "group", "aria-label": T.tools },
          mergeButton,
          splitButton,
          undoButton,
        ),
        h("p", { class: "segments-hint muted", id: "segments-hint" }, T.hint),
        trouble,
        list,
        busy,
      ),
    ),
  );
  const hint = element.querySelector("#segments-hint");

  async function load() {
    const wanted = made;
    try {
      const outlines = await api.segments(now.id);
      if (made !== wanted) return; // newer ones are on their way
      show(outlines);
    } catch (problem) {
      element.dataset.state = "failed";
      trouble.replaceChildren(problemBox(problem));
    }
  }

  function show(outlines) {
    const focused = document.activeElement?.closest?.(".segment")?.dataset.segment;
    edits = outlines.edits;
    things = [...outlines.segments].sort((a, b) => b.area - a.area);
    selected = new Set([...selected].filter((id) => things.some((thing) => thing.id === id)));
    picture.show(things);
    rows.clear();
    for (const thing of things) {
      rows.set(
        thing.id,
        segmentRow(thing, {
          selected: selected.has(thing.id),
          onHover: highlight,
          onSelect: (on) => select(thing.id, on),
          onRename: (name) => rename(thing, name),
        }),
      );
    }
    list.replaceChildren(...[...rows.values()].map((row) => row.element));
    setText(
      count,
      `${S.enhanced.things(things.length)}, ${S.enhanced.imagined(format.percent(now.results[STEP].imagined ?? 0))}`,
    );
    showSelection();
    element.dataset.count = String(things.length);
    element.dataset.state = "ready";
    setBusy();
    if (focused) (rows.get(Number(focused)) ?? rows.values().next().value)?.focus();
  }

  function highlight(id) {
    picture.highlight(id);
    for (const [one, row] of rows) row.element.classList.toggle("hot", one === id);
  }

  function choose(id) {
    rows.get(id)?.setSelected(!selected.has(id));
    rows.get(id)?.element.scrollIntoView({ block: "nearest" });
  }

  function select(id, on) {
    if (on) selected.add(id);
    else selected.delete(id);
    showSelection();
  }

  function showSelection() {
    picture.select(selected);
    setText(mergeButton.lastChild, T.merge(selected.size));
    mergeButton.disabled = selected.size < 2 || !editable();
    mergeButton.classList.toggle("primary", selected.size >= 2);
    splitButton.disabled = !editable();
    undoButton.disabled = edits === 0 || !editable();
  }

  const editable = () =>
    isFinal(now) && now.step === STEP && now.state !== "failed" && now.results[STEP]?.current !== false;

  function splitting(on) {
    picture.setSplitting(on);
    splitButton.setAttribute("aria-pressed", String(on));
    setText(hint, on ? T.splitHint : T.hint);
    element.classList.toggle("is-splitting", on);
    if (on) picture.focus();
  }

  /** @returns whether it was done */
  async function edit(request, done) {
    trouble.replaceChildren();
    try {
      await actions.edit(request);
      announce(done);
      return true;
    } catch (problem) {
      trouble.replaceChildren(problemBox(problem));
      return false;
    }
  }

  async function rename(thing, name) {
    const before = thing.name;
    rows.get(thing.id).setName(name); // at once: the server's answer follows
    picture.rename(thing.id, name);
    if (await edit((id) => api.renameSegment(id, thing.id, name), T.renamed(before, name))) return;
    rows.get(thing.id)?.setName(before);
    picture.rename(thing.id, before);
  }

  async function merge() {
    const ids = things.map((thing) => thing.id).filter((id) => selected.has(id)); // the largest first: its name stays
    const name = things.find((thing) => thing.id === ids[0]).name;
    if (await edit((id) => api.mergeSegments(id, ids), T.merged(ids.length, name))) selected = new Set();
  }

  async function split(id, x, y) {
    splitting(false);
    const { name } = things.find((thing) => thing.id === id);
    await edit((job) => api.splitSegment(job, id, x, y), T.splitDone(name));
  }

  function setBusy() {
    const running = !isFinal(now) && now.step === STEP;
    busy.hidden = !running;
    element.setAttribute("aria-busy", String(running));
    for (const row of rows.values()) row.setEditable(editable());
    showSelection();
    if (!editable() && picture.isSplitting()) splitting(false);
  }

  function update(next) {
    now = next;
    setBusy();
    if (now.state === "failed" && now.error && made !== null) trouble.replaceChildren(problemBox(now.error));
    const result = now.results[STEP];
    const mark = JSON.stringify([now.updated, result.files]);
    if (!isFinal(now) || mark === made) return;
    made = mark;
    void load();
  }
  update(job);
  return { element, update, destroy: picture.destroy };
}
