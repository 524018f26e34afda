// The picture in the empty frame: a paper theatre whose layers move against each other, which is what a diorama is.

import { reducedMotion } from "./dom.js";

const DRAWING = `
<svg viewBox="0 0 640 400" preserveAspectRatio="xMidYMid slice">
  <defs>
    <linearGradient id="art-sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" class="art-sky-top"/><stop offset="1" class="art-sky-low"/></linearGradient>
    <radialGradient id="art-glow"><stop offset="0" class="art-glow-in"/><stop offset="1" class="art-glow-out"/></radialGradient>
  </defs>
  <rect x="-40" y="-40" width="720" height="480" fill="url(#art-sky)"/>
  <g class="art-layer art-1"><circle cx="432" cy="148" r="150" fill="url(#art-glow)"/><circle cx="432" cy="148" r="46" class="art-sun"/>
    <g class="art-stars"><circle cx="86" cy="62" r="1.6"/><circle cx="168" cy="34" r="1.2"/><circle cx="248" cy="82" r="1.6"/><circle cx="318" cy="40" r="1.1"/><circle cx="556" cy="52" r="1.5"/><circle cx="598" cy="116" r="1.1"/><circle cx="40" cy="132" r="1.1"/><circle cx="520" cy="24" r="1.1"/></g></g>
  <g class="art-layer art-2"><path class="art-cloud" d="M118 118c4-15 25-17 31-4 11-7 25-1 25 10h12a9 9 0 0 1 0 18H104a12 12 0 0 1 14-24z"/><path class="art-cloud" d="M520 92c3-11 19-13 24-3 9-5 19 0 19 8h9a7 7 0 0 1 0 14h-64a9 9 0 0 1 12-19z"/></g>
  <g class="art-layer art-3"><path class="art-range-3" d="M-60 450V252l92-74 44 36 84-98 66 78 38-30 92 92 58-54 74 70 60-62 66 54 86-74v260z"/><path class="art-snow" d="M160 116l-32 38 18-6 14 12 12-14 20 10z"/></g>
  <g class="art-layer art-4"><path class="art-range-2" d="M-60 450V286c50-26 96-44 146-26 60 22 92 8 140-16 62-30 110-2 160 22 52 24 96 6 142-18 50-24 98-14 172 14v190z"/></g>
  <g class="art-layer art-5"><path class="art-range-1" d="M-60 450V322c70-34 140-30 210-8 84 26 140 20 214-8 66-26 130-28 336 22v122z"/>
    <g class="art-pine"><path d="M70 318l16-44 16 44zM75 298l11-32 11 32z"/><path d="M104 322l12-34 12 34zM108 306l8-24 8 24z"/><path d="M516 306l14-40 14 40zM520 288l10-30 10 30z"/><path d="M546 312l17-48 17 48zM551 290l12-36 12 36z"/><path d="M588 314l12-34 12 34zM592 298l8-24 8 24z"/></g></g>
  <g class="art-layer art-6"><path class="art-near" d="M-60 460V366c96-28 186-22 262-8 92 18 170 12 262-10 74-18 150-14 236 8v104z"/>
    <g class="art-cabin" transform="translate(-104 -16)"><path class="art-wall" d="M262 312h64v46h-64z"/><path class="art-roof" d="M254 316l40-32 40 32z"/><path class="art-roof" d="M312 286h8v16h-8z"/><path class="art-light" d="M272 326h14v14h-14zM300 328h14v30h-14z"/></g></g>
  <g class="art-layer art-7"><path class="art-front" d="M-60 470V410c60-14 128-22 196-8 96 20 196 18 300 0 88-14 172-12 264 6v62z"/>
    <path class="art-front" d="M26 402l30-86 30 86zM36 366l20-58 20 58z"/><path class="art-front" d="M-16 404l26-72 26 72zM-8 374l18-50 18 50z"/><path class="art-front" d="M566 400l34-98 34 98zM578 358l22-66 22 66z"/></g>
</svg>`;

const REACH = 14; // how far the nearest layer moves, in units of the drawing

/** @param label what the picture shows, for those who can't see it */
export function paperTheatre(label) {
  const element = document.createElement("div");
  element.className = "art";
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  element.innerHTML = DRAWING; // a constant
  const onMove = (event) => {
    const box = element.getBoundingClientRect();
    const x = (event.clientX - box.x - box.width / 2) / innerWidth;
    const y = (event.clientY - box.y - box.height / 2) / innerHeight;
    element.style.setProperty("--art-x", `${(-x * 2 * REACH).toFixed(2)}px`);
    element.style.setProperty("--art-y", `${(-y * REACH).toFixed(2)}px`);
    element.classList.add("art-led");
  };
  if (!reducedMotion() && matchMedia("(hover: hover)").matches)
    addEventListener("pointermove", onMove, { passive: true });
  return { element, destroy: () => removeEventListener("pointermove", onMove) };
}
