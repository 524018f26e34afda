// Scenes on one canvas, one at a time: loads them, stands at the photo's camera, draws when something has changed.

import {
  Group,
  NoToneMapping,
  PerspectiveCamera,
  Scene,
  WebGLRenderer,
} from "../../vendor/three/build/three.module.js";
import { OrbitControls } from "../../vendor/three/examples/jsm/controls/OrbitControls.js";
import { reducedMotion } from "../dom.js";
import { createBlur } from "./blur.js";
import { createExplode } from "./explode.js";
import { lens, margins } from "./lens.js";
import { measure, reach } from "./measure.js";
import { createModes } from "./modes.js";
import { createNames } from "./names.js";
import { createRuler } from "./ruler.js";
import { takePicture } from "./shot.js";
import { createSway } from "./sway.js";
import { createTilt } from "./tilt.js";
import { createXr } from "./xr.js";

const MAX_PIXEL_RATIO = 2; // more costs much and shows little
const SWAY_ZOOM = 0.05; // while the scene sways, so that its borders stay outside the picture

/**
 * @param canvas  @param surface the element that takes fingers and keys
 * @param overlay the element over the canvas for labels
 * @param about what is known of the scenes (about.js); null: the first file says it
 * @param scenes {Map<string, { scene, depth?, points? }>} files by the scene's name; the first is shown
 * @param onMoved is called when the user moves the view  @param onLost when the driver gives up
 */
export async function createView({ canvas, surface, overlay, about: given, scenes, onMoved, onLost }) {
  const renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true, powerPreference: "high-performance" });
  renderer.toneMapping = NoToneMapping; // the photo's own colours
  renderer.setClearColor(0x000000, 0);

  const scene = new Scene();
  const pivot = new Group(); // turned by the idle motion, so that the controls are not fought
  const content = new Group();
  pivot.add(content);
  scene.add(pivot);

  const loaded = new Map(); // name -> a promise of its modes
  const load = (urls) => {
    const group = new Group();
    const modes = createModes({ urls, content: group, renderer });
    return modes.load().then(() => ({ ...modes, group }));
  };
  const need = (name) => {
    if (!loaded.has(name)) {
      const coming = load(scenes.get(name));
      loaded.set(name, coming);
      coming.catch(() => loaded.delete(name)); // the next click may have more luck
    }
    return loaded.get(name);
  };
  let sceneName = scenes.keys().next().value;
  let mode = "mesh";
  let tint = 0;
  let modes = await need(sceneName);
  const about = given ?? modes.file.about;
  if (!about) {
    renderer.dispose();
    throw new Error("the file has no camera");
  }
  content.add(modes.group);
  const extent = measure(modes.meshes);
  const limits = reach(about, extent);
  pivot.position.z = -extent.middle;
  content.position.z = extent.middle;

  const camera = new PerspectiveCamera(50, 1, extent.near / 50, extent.far * 4);
  const controls = new OrbitControls(camera, surface);
  controls.enableDamping = !reducedMotion();
  controls.dampingFactor = 0.12;
  controls.rotateSpeed = 0.32; // the way is short: a whole drag should not run through it at once
  controls.zoomSpeed = 0.6;
  controls.enablePan = false;
  const within = ({ azimuth, polar, nearest, farthest }) => {
    controls.minAzimuthAngle = -azimuth;
    controls.maxAzimuthAngle = azimuth;
    controls.minPolarAngle = Math.PI / 2 - polar;
    controls.maxPolarAngle = Math.PI / 2 + polar;
    controls.minDistance = extent.middle * nearest;
    controls.maxDistance = extent.middle * farthest;
  };
  within(limits);
  const home = () => {
    camera.position.set(0, 0, 0);
    controls.target.set(0, 0, -extent.middle);
    controls.update();
  };

  let frame = 0;
  let dirty = true; // something has changed since the last picture
  let visible = true;
  let destroyed = false;
  const drawn = []; // to be told of the next picture
  const request = () => {
    dirty = true;
    again();
  };
  const again = () => {
    if (!frame && !destroyed && !renderer.xr.isPresenting) frame = requestAnimationFrame(draw);
  };
  const draw = (now) => {
    frame = 0;
    if (destroyed) return;
    const swaying = visible && sway.step(now);
    const tilting = visible && tilt.step(now);
    if (sway.strength() !== closeness) applyLens();
    const moving = controls.update();
    const unfinished = blur.draw(dirty || swaying || tilting || moving);
    dirty = false;
    ruler.place();
    for (const tell of drawn.splice(0)) tell();
    if (swaying || tilting || moving) request();
    else if (unfinished && visible) again();
  };
  /** Show a scene in a mode, unless something else is asked for while it loads. */
  const present = async (name, nextMode) => {
    sceneName = name;
    mode = nextMode;
    const next = await need(name);
    await next.show(nextMode, extent);
    if (destroyed || sceneName !== name || mode !== nextMode) return;
    if (next !== modes) content.remove(modes.group);
    content.add(next.group);
    modes = next;
    modes.tint(tint);
    explode.again();
    fit();
    await nextPicture();
  };
  const nextPicture = () =>
    new Promise((resolve) => {
      drawn.push(resolve);
      request();
    });

  const sway = createSway(pivot, limits, request);
  let closeness = 0;
  const applyLens = () => {
    closeness = sway.strength();
    lens(camera, about.camera, surface.clientWidth / surface.clientHeight, 1 + SWAY_ZOOM * closeness);
  };
  // What was imagined beyond the photo's frame is for a camera that moves. At rest, beside the photo in a wider canvas, it
  // is no more than the photo's mirror image: so an imagined scene is seen as through a window of the photo's shape.
  const outside = () =>
    about.step === "original" || explode.amount() > 0
      ? { x: 0, y: 0 }
      : margins(about.camera, surface.clientWidth / surface.clientHeight);
  const showWindow = () => {
    const { x, y } = outside();
    canvas.style.clipPath = x || y ? `inset(${100 * y}% ${100 * x}%)` : "none";
  };
  const fit = () => {
    const { clientWidth: width, clientHeight: height } = surface;
    if (!width || !height || renderer.xr.isPresenting) return;
    renderer.setPixelRatio(Math.min(devicePixelRatio, MAX_PIXEL_RATIO));
    renderer.setSize(width, height, false);
    applyLens();
    showWindow();
    modes.fit(height * renderer.getPixelRatio(), renderer.getPixelRatio(), camera, about.camera);
    // At once: a resized canvas is blank until it is drawn again.
    blur.draw(true);
    request();
  };

  const moved = () => {
    sway.stop();
    onMoved();
  };
  controls.addEventListener("start", moved);
  controls.addEventListener("change", request);
  // A wheel over the page scrolls the page; it zooms once the scene was clicked or fills the screen.
  controls.enableZoom = false;
  let isFull = false;
  const zoomable = () => {
    controls.enableZoom = isFull || surface.getRootNode().activeElement === surface;
  };
  surface.addEventListener("focus", zoomable);
  surface.addEventListener("blur", zoomable);
  // Sideways strokes turn the scene, up and down ones scroll the page.
  surface.style.touchAction = "pan-y";

  const stage = {
    ...{ renderer, scene, camera, controls, pivot, content, surface, overlay, about, extent, limits },
    ...{ request, moved, home, within, showWindow, modes: () => modes, isVisible: () => visible },
  };
  const blur = createBlur(stage);
  const tilt = createTilt(stage, sway);
  const ruler = createRuler(stage);
  const names = createNames(stage);
  const explode = createExplode(stage);
  const xr = createXr(stage);
  const onTap = watchTaps(surface, (x, y) => {
    if (!ruler.tap(x, y)) blur.focus(x, y);
  });

  const onContextLost = (event) => {
    event.preventDefault();
    if (!destroyed) onLost();
  };
  canvas.addEventListener("webglcontextlost", onContextLost);
  const sizes = new ResizeObserver(fit);
  sizes.observe(surface);
  const seen = new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    if (visible) request();
  });
  seen.observe(surface);

  home();
  fit();
  if (!reducedMotion()) sway.start();

  return {
    ...{ about, blur, tilt, ruler, names, explode, xr },
    /** How many layers there are to be taken apart. */
    layers: () => new Set(modes.meshes.map((mesh) => mesh.userData.rank)).size,
    setMode: (next) => present(sceneName, next),
    setScene: (name) => present(name, mode),
    /** Colour what was imagined, or leave it as it is. */
    setTint(on) {
      tint = on ? 1 : 0;
      modes.tint(tint);
      request();
    },
    /** Another file in the place of a scene's; the camera stays where it is. */
    async replace(name, urls) {
      scenes.set(name, urls);
      const old = loaded.get(name);
      loaded.delete(name);
      if (name === sceneName) await present(name, mode);
      (await old)?.destroy();
      request();
    },
    turn(azimuth, polar) {
      moved();
      rotate(camera, controls, azimuth, polar);
      request();
    },
    zoom(factor) {
      moved();
      const distance = camera.position.distanceTo(controls.target) / factor;
      const clamped = Math.min(controls.maxDistance, Math.max(controls.minDistance, distance));
      camera.position.sub(controls.target).setLength(clamped).add(controls.target);
      controls.update();
      request();
    },
    reset() {
      explode.set(0);
      blur.set(0);
      ruler.set(false);
      tilt.recenter();
      sway.center();
      home();
      if (!reducedMotion() && !tilt.isOn()) sway.start();
      request();
    },
    setMotion: (on) => (on ? sway.start() : sway.stop()),
    onMotion: sway.onChange,
    setFull(on) {
      isFull = on;
      zoomable();
      surface.style.touchAction = on ? "none" : "pan-y";
    },
    /** A PNG of what is seen. */
    picture: () => takePicture(canvas, () => blur.draw(true), outside()),
    destroy() {
      destroyed = true;
      cancelAnimationFrame(frame);
      for (const part of [tilt, ruler, names, xr, blur]) part.destroy();
      onTap();
      sizes.disconnect();
      seen.disconnect();
      controls.dispose();
      for (const coming of loaded.values()) void coming.then((each) => each.destroy());
      canvas.removeEventListener("webglcontextlost", onContextLost);
      renderer.dispose();
      renderer.forceContextLoss();
    },
  };
}

/** Turn about the target by keys, within the controls' limits. */
function rotate(camera, controls, azimuth, polar) {
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const distance = controls.getDistance();
  const theta = clamp(controls.getAzimuthalAngle() + azimuth, controls.minAzimuthAngle, controls.maxAzimuthAngle);
  const phi = clamp(controls.getPolarAngle() - polar, controls.minPolarAngle, controls.maxPolarAngle);
  camera.position.setFromSphericalCoords(distance, phi, theta).add(controls.target);
  controls.update();
}

/** Clicks and taps, not strokes. @returns a function that ends it */
function watchTaps(surface, onTap) {
  let start = null;
  const down = (event) => {
    start = event.isPrimary && event.button === 0 ? event : null;
  };
  const up = (event) => {
    if (start && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) < 6) {
      onTap(event.clientX, event.clientY);
    }
    start = null;
  };
  surface.addEventListener("pointerdown", down);
  surface.addEventListener("pointerup", up);
  return () => {
    surface.removeEventListener("pointerdown", down);
    surface.removeEventListener("pointerup", up);
  };
}
