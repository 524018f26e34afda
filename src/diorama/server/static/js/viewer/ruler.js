// The distance between two places of the scene, which are clicked one after the other.

import {
  BufferGeometry,
  Float32BufferAttribute,
  Line,
  LineBasicMaterial,
  Points,
  PointsMaterial,
  Vector3,
} from "../../vendor/three/build/three.module.js";
import { VIEWER as T } from "../strings-viewer.js";
import { pick } from "./pick.js";

const COLOUR = 0xffb28c;

export function createRuler(stage) {
  const { camera, content, overlay, surface, about, request } = stage;
  const geometry = new BufferGeometry();
  const options = { color: COLOUR, depthTest: false, depthWrite: false, transparent: true, toneMapped: false };
  const line = new Line(geometry, new LineBasicMaterial(options));
  const ends = new Points(geometry, new PointsMaterial({ ...options, size: 9, sizeAttenuation: false }));
  for (const part of [line, ends]) {
    part.renderOrder = 10;
    part.frustumCulled = false;
  }
  const label = document.createElement("output");
  label.className = "viewer-distance";
  label.hidden = true;
  overlay.append(label);
  let on = false;
  let places = []; // { shown: in the content's frame, real: before anything was taken apart }
  let listener = () => {};

  const show = () => {
    geometry.setAttribute("position", new Float32BufferAttribute(places.flatMap(({ shown }) => shown.toArray()), 3));
    geometry.setDrawRange(0, places.length);
    if (places.length) content.add(line, ends);
    else content.remove(line, ends);
    line.visible = places.length === 2;
    label.hidden = places.length < 2;
    if (places.length === 2) {
      const length = places[0].real.distanceTo(places[1].real);
      label.textContent = T.distance(length, about.units === "metric");
      label.title = about.units === "metric" ? "" : T.relative;
      label.dataset.length = String(length);
      listener(about.units === "metric" ? label.textContent : `${label.textContent}. ${T.relative}`);
    } else {
      listener(places.length ? T.measureSecond : T.measureFirst);
    }
    request();
  };

  return {
    set(next) {
      if (on === next) return;
      on = next;
      places = [];
      show();
      surface.classList.toggle("measuring", on);
      if (!on) listener(null);
    },
    isOn: () => on,
    /** @param next is told what to do next, what was found, or null at the end */
    onSay(next) {
      listener = next;
    },
    /** @returns whether the click was for the ruler */
    tap(x, y) {
      if (!on) return false;
      const hit = pick(stage, x, y);
      if (!hit) {
        listener(T.measureNothing);
        return true;
      }
      if (places.length === 2) places = [];
      places.push({ shown: content.worldToLocal(hit.point.clone()), real: hit.object.worldToLocal(hit.point.clone()) });
      show();
      return true;
    },
    /** Put the label where the line's middle is seen. */
    place() {
      if (label.hidden) return;
      const middle = new Vector3().addVectors(places[0].shown, places[1].shown).multiplyScalar(0.5);
      content.localToWorld(middle).project(camera);
      label.style.setProperty("--x", `${(middle.x * 0.5 + 0.5) * 100}%`);
      label.style.setProperty("--y", `${(0.5 - middle.y * 0.5) * 100}%`);
    },
    destroy() {
      label.remove();
      geometry.dispose();
      line.material.dispose();
      ends.material.dispose();
    },
  };
}
