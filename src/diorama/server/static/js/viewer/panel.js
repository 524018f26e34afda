// The 3D viewer's frame: picture while it loads, buttons, keys, full screen, and what to do without WebGL.
// three.js is only fetched when a scene is shown.

import { announce, h, icon, setText } from "../dom.js";
import { fileUrl } from "../files.js";
import { previewOf } from "../session.js";
import { S } from "../strings.js";

export const MODES = ["mesh", "points", "wireframe", "depth"];
const TURN = 0.022; // radians a key press
const ZOOM = 1.06;

/**
 * State is on the element for tests and styles: data-ready, data-mode, data-scene, data-imagined, data-motion,
 * data-moved, data-state.
 * @param scenes [{ name, urls }], the first one shown at first; with several there are buttons to switch
 */
export function viewerPanel(job, { scenes, modes: offered = MODES }) {
  const T = S.viewer;
  const photo = fileUrl(job, "photo.jpg");
  const first = previewOf(job.id)?.startsWith("blob:") ? previewOf(job.id) : photo; // what the browser has already
  const { width, height } = job.camera ?? { width: 4, height: 3 };
  const canvas = h("canvas", { class: "viewer-canvas" });
  const poster = first ? h("img", { class: "viewer-poster", src: first, alt: "", draggable: "false" }) : null;
  const backdrop = photo ? h("img", { class: "viewer-backdrop", src: photo, alt: "", "aria-hidden": "true" }) : null;
  const status = h(
    "p",
    { class: "viewer-status" },
    h("span", { class: "spinner", "aria-hidden": "true" }),
    h("span", {}, T.loading),
  );
  const hint = h("p", { class: "viewer-hint", hidden: true }, T.hint);
  const help = h("p", { class: "visually-hidden", id: "viewer-help" }, T.help(offered.length, scenes.length > 1));
  const surface = h(
    "div",
    {
      class: "viewer-surface",
      tabindex: "0",
      role: "application",
      "aria-label": T.label,
      "aria-describedby": "viewer-help",
    },
    canvas,
  );
  const modeButtons = new Map(
    offered.map((mode) => [
      mode,
      h(
        "button",
        {
          type: "button",
          class: "mode",
          dataset: { mode },
          title: T.modeTitle(mode, offered.indexOf(mode) + 1),
          "aria-pressed": "false",
          onclick: () => setMode(mode),
        },
        icon(mode),
        h("span", {}, T.mode[mode]),
      ),
    ]),
  );
  const tool = (name, label, onclick, extra = {}) =>
    h(
      "button",
      { type: "button", class: "viewer-tool", title: label, "aria-label": label, onclick, ...extra },
      icon(name),
    );
  const motion = tool("motion", T.motion, () => setMotion(element.dataset.motion !== "on"), {
    "aria-pressed": "false",
  });
  const reset = tool("reset", T.reset, () => view?.reset());
  const full = tool("full", T.full, () => toggleFull());
  const modes = h("div", { class: "viewer-modes", role: "group", "aria-label": T.modes }, [...modeButtons.values()]);
  const sceneSwitch = scenes.length > 1 ? switchOf(scenes, (name) => setScene(name)) : null;
  const imagined = sceneSwitch
    ? h(
        "button",
        { type: "button", class: "mode imagined-switch", "aria-pressed": "false", title: T.imaginedTitle },
        icon("spark"),
        h("span", {}, T.imagined),
      )
    : null;
  imagined?.addEventListener("click", () => setImagined(element.dataset.imagined !== "true"));
  const element = h(
    "section",
    {
      class: "viewer",
      "aria-label": T.label,
      dataset: {
        ready: "false",
        mode: "mesh",
        scene: scenes[0].name,
        imagined: "false",
        motion: "off",
        state: "loading",
      },
    },
    h(
      "div",
      { class: "viewer-stage" },
      backdrop,
      poster,
      surface,
      hint,
      status,
      h("div", { class: "viewer-tools" }, reset, motion, full),
    ),
    sceneSwitch ? h("div", { class: "viewer-scenes" }, sceneSwitch.element, imagined) : null,
    modes,
    help,
  );
  element.style.setProperty("--ratio", `${width} / ${height}`);
  let view = null;
  let destroyed = false;

  async function begin() {
    if (!hasWebgl2()) return withoutWebgl();
    try {
      const { createView } = await import("./view.js");
      if (destroyed) return;
      const files = new Map(scenes.map(({ name, urls }) => [name, urls]));
      view = await createView({ canvas, surface, job, scenes: files, onMoved, onLost: () => broken(T.lost) });
      if (destroyed) return view.destroy();
      view.onMotion((on) => showMotion(on));
      await setMode("mesh");
      element.dataset.state = "shown";
      hint.hidden = false;
    } catch (error) {
      console.warn(error);
      if (!destroyed) broken(`${T.broken} ${T.brokenHint}`);
    }
  }

  async function setMode(mode) {
    if (!view) return;
    element.dataset.mode = mode;
    for (const [name, button] of modeButtons) button.setAttribute("aria-pressed", String(name === mode));
    await present(() => view.setMode(mode), mode === "points" ? T.loadingPoints : T.loading, T.mode[mode]);
  }

  async function setScene(name) {
    if (!view) return;
    element.dataset.scene = name;
    sceneSwitch.show(name);
    imagined.disabled = name === "original";
    await present(() => view.setScene(name), T.loading, T.scene[name]);
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

  function setMotion(on) {
    view?.setMotion(on);
  }

  function showMotion(on) {
    element.dataset.motion = on ? "on" : "off";
    motion.setAttribute("aria-pressed", String(on));
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
    const thumbnail = fileUrl(job, "thumbnail.jpg", job.step) ?? photo;
    element.dataset.state = "no-webgl";
    modes.remove();
    element.querySelector(".viewer-scenes")?.remove();
    element.firstChild.replaceChildren(
      ...(thumbnail ? [h("img", { class: "viewer-thumbnail", src: thumbnail, alt: T.thumbnail })] : []),
      h("p", { class: "viewer-message" }, T.noWebgl),
    );
  }

  const isFull = () => document.fullscreenElement === element || element.classList.contains("filled");
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
    full.title = on ? T.exitFull : T.full;
    full.setAttribute("aria-label", full.title);
    full.replaceChildren(icon(on ? "shrink" : "full"));
    view?.setFull(on);
  }
  document.addEventListener("fullscreenchange", showFull);

  const keys = {
    ArrowLeft: () => view.turn(-TURN, 0),
    ArrowRight: () => view.turn(TURN, 0),
    ArrowUp: () => view.turn(0, TURN),
    ArrowDown: () => view.turn(0, -TURN),
    "+": () => view.zoom(ZOOM),
    "=": () => view.zoom(ZOOM),
    "-": () => view.zoom(1 / ZOOM),
    r: () => view.reset(),
    f: () => toggleFull(),
    Escape: () => (element.classList.contains("filled") ? fill(false) : undefined),
  };
  offered.forEach((mode, index) => {
    keys[index + 1] = () => setMode(mode);
  });
  if (sceneSwitch) {
    const next = { original: "enhanced", enhanced: "original" };
    keys.o = () => setScene(next[element.dataset.scene]);
    keys.i = () => imagined.disabled || setImagined(element.dataset.imagined !== "true");
  }
  element.addEventListener("keydown", (event) => {
    if (!view || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!(key in keys)) return;
    keys[key]();
    if (key !== "Escape") event.preventDefault();
  });

  void begin();
  return {
    element,
    /** Another file in the place of a scene's; what is seen stays where it is. */
    replace(name, urls) {
      for (const scene of scenes) if (scene.name === name) scene.urls = urls; // it may not have begun yet
      if (view) void present(() => view.replace(name, urls), T.loading, null);
    },
    destroy() {
      destroyed = true;
      document.removeEventListener("fullscreenchange", showFull);
      fill(false);
      view?.destroy();
    },
  };
}

/** Buttons to switch between scenes, of which one is pressed. */
function switchOf(scenes, onChoose) {
  const buttons = [...scenes].reverse().map(({ name }) =>
    h(
      "button",
      {
        type: "button",
        class: "mode",
        dataset: { scene: name },
        "aria-pressed": String(name === scenes[0].name),
        onclick: () => onChoose(name),
      },
      S.viewer.scene[name],
    ),
  );
  return {
    element: h("div", { class: "viewer-switch", role: "group", "aria-label": S.viewer.scenes }, buttons),
    show(name) {
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.scene === name));
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
