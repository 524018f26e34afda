// The picture that is painted on: photo or depth map, the strokes over it, by mouse, finger, pen and keys.

import { h } from "./dom.js";
import { fileUrl } from "./files.js";
import { S } from "./strings.js";

const SVG = "http://www.w3.org/2000/svg";
const GRID = 1000; // the drawing's units along the photo's long side
const STEP = 0.02; // a key press moves the cross by this share of the photo
const APART = 0.3; // radii between the points of a stroke that are kept
const MOST = 400; // points of a stroke

const svg = (tag, attributes = {}) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

/**
 * @param brush() { kind, radius } as it is now, and whether a place is picked: `picks`
 * @param onStroke(points) from 0 to 1  @param onPick(point) the place whose depth is taken
 */
export function brushPicture(job, { brush, onStroke, onPick }) {
  const T = S.brush;
  const { width, height } = job.camera ?? { width: 3, height: 2 };
  const unit = GRID / Math.max(width, height);
  const size = { x: width * unit, y: height * unit };
  const drawing = svg("svg", { viewBox: `0 0 ${size.x} ${size.y}`, "aria-hidden": "true", class: "brush-drawing" });
  const kept = svg("g");
  const live = svg("g");
  const cursor = svg("circle", { class: "brush-cursor", r: 0, visibility: "hidden" });
  drawing.append(kept, live, cursor);
  const image = h("img", { src: fileUrl(job, "photo.jpg"), alt: "", width, height, draggable: "false" });
  const said = h("span", { class: "visually-hidden", id: "brush-keys" }, T.keys);
  const stage = h(
    "div",
    {
      class: "brush-stage",
      tabindex: "0",
      role: "application",
      "aria-label": T.picture,
      "aria-describedby": "brush-keys",
    },
    image,
    drawing,
    said,
  );
  stage.style.setProperty("--ratio", String(width / height));
  let enabled = false;
  let path = null; // of the stroke that is being painted
  let at = { x: 0.5, y: 0.5 };

  const clamp = (share) => Math.min(1, Math.max(0, share));
  const place = (event) => {
    const box = drawing.getBoundingClientRect();
    return {
      x: clamp((event.clientX - box.left) / box.width),
      y: clamp((event.clientY - box.top) / box.height),
    };
  };
  const apart = (a, b) => Math.hypot((a.x - b.x) * size.x, (a.y - b.y) * size.y) / GRID;
  const line = ({ kind, points, radius }) =>
    svg("polyline", {
      class: `brush-stroke ${kind}`,
      points: points.map(([x, y]) => `${x * size.x},${y * size.y}`).join(" "),
      "stroke-width": Math.max(2, 2 * radius * GRID),
    });
  const drawn = (stroke) => {
    // A line of one point is only seen where it is doubled.
    const parts = [line(stroke.points.length === 1 ? { ...stroke, points: [...stroke.points, ...stroke.points] } : stroke)];
    if (stroke.here) parts.push(mark(stroke.here));
    return parts;
  };
  const mark = ([x, y]) => svg("circle", { class: "brush-here", cx: x * size.x, cy: y * size.y, r: 9 });
  const pairs = (points) => points.map(({ x, y }) => [Number(x.toFixed(5)), Number(y.toFixed(5))]);

  function showCursor(point) {
    at = point;
    cursor.setAttribute("cx", point.x * size.x);
    cursor.setAttribute("cy", point.y * size.y);
    cursor.setAttribute("r", brush().radius * GRID);
    cursor.setAttribute("visibility", enabled ? "visible" : "hidden");
  }
  function showLive() {
    const { kind, radius, here } = brush();
    const parts = here ? [mark(here)] : [];
    if (path) parts.push(...drawn({ kind, radius, points: pairs(path) }));
    live.replaceChildren(...parts);
  }
  function extend(point) {
    if (path.length < MOST && apart(path.at(-1), point) >= APART * brush().radius) path.push(point);
    showLive();
  }
  function finish() {
    const points = pairs(path);
    path = null;
    showLive();
    onStroke(points);
  }

  stage.addEventListener("pointerdown", (event) => {
    if (!enabled || !event.isPrimary || event.button !== 0) return;
    event.preventDefault();
    stage.focus({ preventScroll: true });
    const point = place(event);
    if (brush().picks) return onPick([point.x, point.y]);
    stage.setPointerCapture(event.pointerId);
    path = [point];
    showCursor(point);
    showLive();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!event.isPrimary) return;
    const point = place(event);
    showCursor(point);
    if (path && stage.hasPointerCapture(event.pointerId)) extend(point);
  });
  stage.addEventListener("pointerup", (event) => {
    if (path && stage.hasPointerCapture(event.pointerId)) finish();
  });
  stage.addEventListener("pointercancel", () => {
    path = null;
    showLive();
  });
  stage.addEventListener("pointerleave", () => cursor.setAttribute("visibility", "hidden"));
  stage.addEventListener("keydown", (event) => {
    if (!enabled || event.ctrlKey || event.metaKey || event.altKey) return;
    const way = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    if (way) {
      showCursor({ x: clamp(at.x + way[0]), y: clamp(at.y + way[1]) });
      if (path) extend(at);
    } else if (event.key === "Enter" || event.key === " ") {
      if (brush().picks) onPick([at.x, at.y]);
      else if (path) finish();
      else {
        path = [at];
        showCursor(at);
        showLive();
      }
    } else if (event.key === "Escape" && path) {
      path = null;
      showLive();
    } else return;
    event.preventDefault();
  });

  return {
    element: stage,
    show(strokes) {
      kept.replaceChildren(...strokes.flatMap(drawn));
      showLive();
    },
    refresh: showLive,
    setPicture(url) {
      if (image.getAttribute("src") !== url) image.src = url;
    },
    setEnabled(on) {
      enabled = on;
      stage.classList.toggle("painting", on);
    },
  };
}
