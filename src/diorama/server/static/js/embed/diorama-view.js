// <diorama-view src="scene.glb" poster="photo.jpg" alt="What is seen">: a scene in any page, from this one file.
//
// src     a GLB that Diorama wrote; or #id of an element that holds one, gzipped and in base64
// low     the same, smaller: shown until the other has come
// poster  a picture that is shown at once, and instead of the scene where there is no WebGL
// alt     what is seen, for those who don't see it
//
// Pages that are opened as files can't fetch: there `src` is looked for in a script beside it, scene.glb.js.

import elementCss from "../../css/element.css";
import toolsCss from "../../css/viewer-tools.css";
import viewerCss from "../../css/viewer.css";
import { h } from "../dom.js";
import { VIEWER as T } from "../strings-viewer.js";
import { viewerFrame } from "../viewer/frame.js";

const styles = new CSSStyleSheet(); // a policy on styles doesn't stop one that is made here
styles.replaceSync([viewerCss, toolsCss, elementCss].join("\n"));

class DioramaView extends HTMLElement {
  static observedAttributes = ["src"];
  #frame = null;

  connectedCallback() {
    this.#show();
  }

  disconnectedCallback() {
    this.#frame?.destroy();
    this.#frame = null;
  }

  attributeChangedCallback(_name, before, after) {
    if (this.#frame && before !== after) this.#show();
  }

  #show() {
    const source = this.getAttribute("src");
    this.#frame?.destroy();
    this.#frame = null;
    if (!source) return;
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styles];
    const slotted = this.querySelector("img");
    const poster = this.getAttribute("poster") ?? slotted?.currentSrc ?? slotted?.src ?? null;
    const alt = this.getAttribute("alt") ?? slotted?.alt ?? T.label;
    const live = h("p", { class: "visually-hidden", "aria-live": "polite" });
    const low = this.getAttribute("low");
    this.#frame = viewerFrame({
      about: null,
      scenes: [{ name: "scene", urls: { scene: bytesOf(source) }, low: low ? { scene: bytesOf(low, true) } : null }],
      modes: ["mesh"],
      pictures: { first: poster, backdrop: poster, still: poster },
      texts: { name: this.getAttribute("name") ?? "", label: alt, noWebgl: T.noWebglPage, still: alt },
      announce: (text) => {
        live.textContent = text;
      },
    });
    root.replaceChildren(this.#frame.element, live);
  }
}

/**
 * @param early it stands before this script in the page, which may still be coming
 * @returns a function that gives a promise of a GLB's bytes
 */
function bytesOf(source, early = false) {
  if (source.startsWith("#")) {
    return async () => {
      if (!early && document.readyState === "loading") {
        await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
      }
      return unpack(document.getElementById(source.slice(1)).textContent);
    };
  }
  const url = new URL(source, document.baseURI);
  if (url.protocol === "file:") return () => besideFile(url);
  return async () => {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    return answer.arrayBuffer();
  };
}

/** A script may be loaded where nothing may be fetched: scene.glb.js puts the file into a list. */
async function besideFile(url) {
  const script = h("script", { src: `${url}.js` });
  await new Promise((resolve, reject) => {
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(`${url}.js is missing`)));
    document.head.append(script);
  });
  script.remove();
  const name = decodeURIComponent(url.pathname.split("/").at(-1));
  return unpack(globalThis.dioramaScenes[name]);
}

async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64.trim()), (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked).arrayBuffer();
}

if (!customElements.get("diorama-view")) customElements.define("diorama-view", DioramaView);
