// The photo with the segments' outlines: hovered, chosen, and split by a click or by keys.

import { announce, h, setText } from "./dom.js";
import { fileUrl } from "./files.js";
import { S } from "./strings.js";

const SVG = "http://www.w3.org/2000/svg";
const GRID = 1000; // the drawing's units along the photo's long side
const STEP = 0.02; // a key press moves the cross by this share of the photo

const svg = (tag, attributes = {}) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

/** @param onHover(id or null)  @param onChoose(id)  @param onSplit(id, x, y) with x and y from 0 to 1 */
export function segmentsPicture(job, { onHover, onChoose, onSplit }) {
  const T = S.segments;
  const { width, height } = job.results?.original?.camera ?? job.camera ?? { width: 3, height: 2 };
  const unit = GRID / Math.max(width, height);
  const size = { x: width * unit, y: height * unit };
  const drawing = svg("svg", { viewBox: `0 0 ${size.x} ${size.y}`, class: "segments-outlines", "aria-hidden": "true" });
  const paths = new Map(); // id -> path
  const names = new Map();
  const tag = h("span", { class: "segments-tag", hidden: true });
  const cross = h("span", { class: "segments-cross", hidden: true, "aria-hidden": "true" });
  const stage = h(
    "div",
    { class: "segments-stage", role: "img", "aria-label": T.picture(0) },
    h("img", { src: fileUrl(job, "photo.jpg"), alt: "", width, height, draggable: "false" }),
    drawing,
    cross,
    tag,
  );
  stage.style.setProperty("--ratio", String(width / height));
  let splitting = false;
  let at = { x: 0.5, y: 0.5 };

  const idAt = (x, y) => {
    const point = drawing.createSVGPoint();
    point.x = x * size.x;
    point.y = y * size.y;
    // Later paths lie over earlier ones, which only matters on their shared outline.
    return [...paths].reverse().find(([, path]) => path.isPointInFill(point))?.[0] ?? null;
  };
  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  };

  const moveCross = (x, y) => {
    at = { x: Math.min(0.995, Math.max(0.005, x)), y: Math.min(0.995, Math.max(0.005, y)) };
    cross.style.setProperty("--x", `${at.x * 100}%`);
    cross.style.setProperty("--y", `${at.y * 100}%`);
    const id = idAt(at.x, at.y);
    onHover(id);
    return id;
  };

  stage.addEventListener("pointermove", (event) => {
    const { x, y } = place(event);
    if (splitting) moveCross(x, y);
    else onHover(idAt(x, y));
  });
  stage.addEventListener("pointerleave", () => onHover(null));
  stage.addEventListener("click", (event) => {
    const { x, y } = place(event);
    const id = idAt(x, y);
    if (id === null) return;
    if (splitting) onSplit(id, x, y);
    else onChoose(id);
  });
  stage.addEventListener("keydown", (event) => {
    if (!splitting) return;
    const way = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (way) {
      const id = moveCross(at.x + way[0], at.y + way[1]);
      if (id !== null) announce(names.get(id));
    } else if (event.key === "Enter" || event.key === " ") {
      const id = idAt(at.x, at.y);
      if (id !== null) onSplit(id, at.x, at.y);
    } else {
      return;
    }
    event.preventDefault();
  });

  function highlight(id) {
    for (const [one, path] of paths) path.classList.toggle("hot", one === id);
    const path = paths.get(id);
    tag.hidden = !path;
    drawing.classList.toggle("has-hot", Boolean(path));
    if (!path) return;
    if (drawing.lastChild !== path) drawing.append(path); // over its neighbours, so that its outline is whole
    setText(tag, names.get(id));
    const [x0, y0, x1] = path.dataset.box.split(" ").map(Number);
    tag.style.setProperty("--x", `${Math.min(0.8, Math.max(0.2, (x0 + x1) / 2)) * 100}%`);
    tag.style.setProperty("--y", `${Math.max(0.02, y0) * 100}%`);
  }

  return {
    element: stage,
    show(things) {
      paths.clear();
      names.clear();
      for (const thing of things) {
        const path = svg("path", {
          d: outline(thing.polygons, size),
          "data-segment": thing.id,
          "fill-rule": "evenodd",
        });
        path.dataset.box = thing.box.join(" ");
        path.dataset.kind = thing.kind;
        paths.set(thing.id, path);
        names.set(thing.id, thing.name);
      }
      drawing.replaceChildren(...paths.values());
      stage.setAttribute("aria-label", T.picture(things.length));
      tag.hidden = true;
    },
    highlight,
    select(ids) {
      for (const [id, path] of paths) path.classList.toggle("chosen", ids.has(id));
    },
    rename(id, name) {
      names.set(id, name);
    },
    isSplitting: () => splitting,
    setSplitting(on) {
      splitting = on;
      cross.hidden = !on;
      stage.classList.toggle("splitting", on);
      stage.setAttribute("role", on ? "application" : "img");
      stage.setAttribute("aria-label", on ? T.splitHint : T.picture(paths.size));
      if (on) {
        stage.tabIndex = 0;
        moveCross(0.5, 0.5);
      } else {
        stage.removeAttribute("tabindex");
        highlight(null);
      }
    },
    focus: () => stage.focus({ preventScroll: false }),
    destroy() {},
  };
}

/** Rings of points in 0..1 as one path. */
const outline = (rings, { x, y }) =>
  rings.map((ring) => `M${ring.map(([u, v]) => `${(u * x).toFixed(1)} ${(v * y).toFixed(1)}`).join("L")}Z`).join("");
