// The 3D viewer's frame: picture while it loads, buttons, keys, full screen, and what to do without WebGL.
// three.js is only fetched when a scene is shown.

import { announce as announcePage, h, icon, setText } from "../dom.js";
import { VIEWER as T } from "../strings-viewer.js";
import { viewerTools } from "./tools.js";

export const MODES = ["mesh", "points", "wireframe", "depth"];
const TURN = 0.022; // radians a key press
const ZOOM = 1.06;

/**
 * State is on the element for tests and styles: data-ready, data-mode, data-scene, data-imagined, data-motion,
 * data-moved, data-state.
 * @param about what is known of the scenes (about.js); null: their file says it
 * @param scenes [{ name, urls, low? }], the first one shown at first; with several there are buttons to switch. `low` is
 * a smaller file that is shown until the other has come
 * @param pictures { first, backdrop, still } addresses: shown while the scene loads, blurred behind it, without WebGL
 * @param texts { name, label, noWebgl }  @param announce tells screen readers a sentence
 */
export function viewerFrame({ about, scenes, modes: offered = MODES, pictures, texts, announce = announcePage }) {
  const canvas = h("canvas", { class: "viewer-canvas" });
  const image = (className, src, more = {}) => (src ? h("img", { class: className, src, alt: "", ...more }) : null);
  const status = h(
    "p",
    { class: "viewer-status" },
    h("span", { class: "spinner", "aria-hidden": "true" }),
    h("span", {}, T.loading),
  );
  const several = scenes.length > 1;
  const hint = h("p", { class: "viewer-hint", hidden: true }, T.hint);
  const said = h("p", { class: "viewer-said", hidden: true, "aria-hidden": "true" });
  const help = h("p", { class: "visually-hidden", id: "viewer-help" }, T.help(offered.length, several));
  const surface = h(
    "div",
    {
      class: "viewer-surface",
      tabindex: "0",
      role: "application",
      "aria-label": texts.label,
      "aria-describedby": "viewer-help",
    },
    canvas,
  );
  const overlay = h("div", { class: "viewer-overlay" });
  const modeButtons = new Map(
    offered.map((mode, index) => [
      mode,
      button({ dataset: { mode }, title: T.modeTitle(mode, index + 1) }, mode, T.mode[mode], () => setMode(mode)),
    ]),
  );
  const modes =
    offered.length > 1
      ? h("div", { class: "viewer-modes", role: "group", "aria-label": T.modes }, [...modeButtons.values()])
      : null;
  const tools = viewerTools({
    name: texts.name,
    view: () => view,
    say,
    help: { modes: offered.length, several },
    onReset: () => reset(),
    onMotion: () => view?.setMotion(element.dataset.motion !== "on"),
    onFull: () => toggleFull(),
  });
  const sceneSwitch = several ? switchOf(scenes, (name) => setScene(name)) : null;
  const imagined = several
    ? button({ title: T.imaginedTitle }, "spark", T.imagined, () => setImagined(element.dataset.imagined !== "true"))
    : null;
  imagined?.classList.add("imagined-switch");
  const element = h(
    "section",
    {
      class: "viewer",
      "aria-label": texts.label,
      dataset: {
        ...{ ready: "false", mode: "mesh", scene: scenes[0].name, imagined: "false" },
        ...{ motion: "off", state: "loading", quality: "none" },
      },
    },
    h(
      "div",
      { class: "viewer-stage" },
      image("viewer-backdrop", pictures.backdrop, { "aria-hidden": "true" }),
      image("viewer-poster", pictures.first, { draggable: "false" }),
      surface,
      overlay,
      hint,
      said,
      status,
      tools.element,
      tools.menu,
    ),
    sceneSwitch ? h("div", { class: "viewer-scenes" }, sceneSwitch.element, imagined) : null,
    modes,
    help,
    tools.keys,
  );
  if (about) showRatio(about.camera);
  let view = null;
  let destroyed = false;

  function showRatio({ width, height }) {
    element.style.setProperty("--ratio", `${width} / ${height}`);
  }

  async function begin() {
    if (!hasWebgl2()) return withoutWebgl();
    try {
      const { createView } = await import("./view.js");
      if (destroyed) return;
      const [first] = scenes;
      const files = new Map(scenes.map(({ name, urls }) => [name, urls]));
      if (first.low) files.set(first.name, { ...first.urls, ...first.low });
      view = await createView({ canvas, surface, overlay, about, scenes: files, onMoved, onLost: () => broken(T.lost) });
      if (destroyed) return view.destroy();
      showRatio(view.about.camera);
      view.onMotion((on) => showMotion(on));
      tools.update();
      void tools.begin();
      if (first.low) await betterFile(first);
      else await setMode("mesh", "full");
    } catch (error) {
      console.warn(error);
      if (!destroyed) broken(`${T.broken} ${T.brokenHint}`);
    }
  }

  /** The small file is seen already; the whole one takes its place. */
  async function betterFile(first) {
    await setMode("mesh", "low");
    await view.replace(first.name, first.urls);
    tools.update();
    element.dataset.quality = "full";
  }

  async function setMode(mode, quality = null) {
    if (!view) return;
    element.dataset.mode = mode;
    for (const [name, each] of modeButtons) each.setAttribute("aria-pressed", String(name === mode));
    const words = quality ? null : T.mode[mode];
    await present(() => view.setMode(mode), mode === "points" ? T.loadingPoints : T.loading, words);
    if (!quality || element.dataset.state !== "loading") return;
    element.dataset.quality = quality;
    element.dataset.state = "shown";
    hint.hidden = false;
  }

  async function setScene(name) {
    if (!view) return;
    element.dataset.scene = name;
    sceneSwitch.show(name);
    imagined.disabled = name === "original";
    await present(() => view.setScene(name), T.loading, T.scene[name]);
    tools.update();
  }

  function setImagined(on) {
    element.dataset.imagined = String(on);
    imagined.setAttribute("aria-pressed", String(on));
    view?.setTint(on);
  }

  let asked = 0;
  async function present(show, waiting, done) {
    asked += 1;
    const mine = asked;
    element.dataset.ready = "false";
    const slow = setTimeout(() => showStatus(waiting), 150);
    try {
      await show();
      if (mine !== asked) return; // another button was faster
      status.hidden = true;
      element.dataset.ready = "true";
      if (done) announce(done);
    } catch (error) {
      console.warn(error);
      broken(`${T.broken} ${T.brokenHint}`);
    } finally {
      clearTimeout(slow);
    }
  }

  function showStatus(text) {
    status.hidden = false;
    setText(status.lastChild, text);
  }

  let quiet = 0;
  function say(sentence, milliseconds = 0) {
    clearTimeout(quiet);
    said.hidden = !sentence;
    hint.hidden = true;
    if (!sentence) return;
    setText(said, sentence);
    announce(sentence);
    if (milliseconds) quiet = setTimeout(() => say(null), milliseconds);
  }

  function reset() {
    view?.reset();
    tools.reset();
  }

  function showMotion(on) {
    element.dataset.motion = on ? "on" : "off";
    tools.showMotion(on);
  }

  function onMoved() {
    element.dataset.moved = "true";
    hint.hidden = true;
  }

  function broken(text) {
    element.dataset.state = "broken";
    status.hidden = false;
    status.firstChild.hidden = true;
    setText(status.lastChild, text);
    status.setAttribute("role", "alert");
  }

  function withoutWebgl() {
    element.dataset.state = "no-webgl";
    modes?.remove();
    tools.remove();
    element.querySelector(".viewer-scenes")?.remove();
    element.firstChild.replaceChildren(
      ...(pictures.still ? [h("img", { class: "viewer-thumbnail", src: pictures.still, alt: texts.still })] : []),
      h("p", { class: "viewer-message" }, texts.noWebgl),
    );
  }

  const isFull = () =>
    element.getRootNode().fullscreenElement === element || element.classList.contains("filled");
  function toggleFull() {
    // Phones without the Fullscreen API for elements get the whole window instead.
    if (isFull()) {
      if (document.fullscreenElement) void document.exitFullscreen();
      fill(false);
    } else if (element.requestFullscreen) {
      element.requestFullscreen().catch(() => fill(true));
    } else {
      fill(true);
    }
  }
  function fill(on) {
    element.classList.toggle("filled", on);
    document.documentElement.classList.toggle("viewer-filled", on);
    showFull();
  }
  function showFull() {
    const on = isFull();
    element.dataset.full = String(on);
    tools.showFull(on);
    view?.setFull(on);
  }
  document.addEventListener("fullscreenchange", showFull);
  const outside = (event) => {
    if (tools.isOpen() && !event.composedPath().some((part) => part === tools.menu || part === tools.element)) {
      tools.open(false);
    }
  };
  document.addEventListener("pointerdown", outside);

  const keys = {
    ArrowLeft: () => view.turn(-TURN, 0),
    ArrowRight: () => view.turn(TURN, 0),
    ArrowUp: () => view.turn(0, TURN),
    ArrowDown: () => view.turn(0, -TURN),
    "+": () => view.zoom(ZOOM),
    "=": () => view.zoom(ZOOM),
    "-": () => view.zoom(1 / ZOOM),
    r: reset,
    f: toggleFull,
    m: tools.toggleMeasure,
    s: tools.save,
    "?": tools.help,
    Escape: () => (tools.isOpen() ? tools.open(false) : element.classList.contains("filled") && fill(false)),
  };
  if (modes) {
    offered.forEach((mode, index) => {
      keys[index + 1] = () => setMode(mode);
    });
  }
  if (sceneSwitch) {
    const order = scenes.map(({ name }) => name).reverse();
    keys.o = () => setScene(order[(order.indexOf(element.dataset.scene) + 1) % order.length]);
    keys.i = () => imagined.disabled || setImagined(element.dataset.imagined !== "true");
  }
  element.addEventListener("keydown", (event) => {
    if (!view || event.ctrlKey || event.metaKey || event.altKey || tools.keys.open) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const onSlider = event.composedPath()[0].matches?.("input");
    if (!(key in keys) || (onSlider && key !== "Escape")) return;
    keys[key]();
    if (key !== "Escape") event.preventDefault();
  });

  void begin();
  return {
    element,
    /** Another file in the place of a scene's; what is seen stays where it is. */
    replace(name, urls) {
      for (const scene of scenes) if (scene.name === name) scene.urls = urls; // it may not have begun yet
      if (view) void present(() => view.replace(name, urls), T.loading, null).then(() => tools.update());
    },
    destroy() {
      destroyed = true;
      document.removeEventListener("fullscreenchange", showFull);
      document.removeEventListener("pointerdown", outside);
      fill(false);
      view?.destroy();
    },
  };
}

function button(properties, name, text, onclick) {
  return h(
    "button",
    { type: "button", class: "mode", "aria-pressed": "false", onclick, ...properties },
    name ? icon(name) : null,
    h("span", {}, text),
  );
}

/** Buttons to switch between scenes, of which one is pressed. */
function switchOf(scenes, onChoose) {
  const buttons = [...scenes].reverse().map(({ name }) => {
    const pressed = String(name === scenes[0].name);
    return button({ dataset: { scene: name }, "aria-pressed": pressed }, null, T.scene[name], () => onChoose(name));
  });
  return {
    element: h("div", { class: "viewer-switch", role: "group", "aria-label": T.scenes }, buttons),
    show(name) {
      for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.scene === name));
    },
  };
}

function hasWebgl2() {
  try {
    const context = document.createElement("canvas").getContext("webgl2");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    return context !== null;
  } catch {
    return false;
  }
}
