// Step 1: a photo by button, drop, paste or camera; its preview; the upload with its progress.

import { Problem, upload } from "./api.js";
import { announce, h, icon, setText } from "./dom.js";
import * as format from "./format.js";
import { go, jobUrl } from "./router.js";
import { rememberPreview } from "./session.js";
import { problemBox, toast } from "./shell.js";
import { S } from "./strings.js";

const MAX_BYTES = 64 * 1024 * 1024; // the server counts too: this only saves the sending

/** @param art what the empty frame shows */
export function uploader(art) {
  const T = S.start;
  let file = null;
  let previewUrl = null;
  let sending = null;
  let dragDepth = 0;
  // Fingers don't drop files; and only where a finger is the pointer is "capture" a camera and not a file dialog.
  const touch = matchMedia("(pointer: coarse)").matches;
  const invitation = touch ? T.tap : T.drop;

  const input = h("input", {
    type: "file",
    accept: "image/*,.tif,.tiff,.heic,.heif,.avif,.jxl",
    class: "visually-hidden",
    tabindex: "-1",
    "aria-hidden": "true",
    onchange: () => {
      take(input.files);
      input.value = "";
    },
  });
  const choose = h(
    "button",
    { type: "button", class: "button", id: "choose-file", onclick: () => input.click() },
    icon("folder"),
    T.choose,
  );
  const submit = h(
    "button",
    { type: "button", class: "button primary", id: "upload", disabled: true, onclick: () => send() },
    T.upload,
    icon("arrow"),
  );
  const cancel = h(
    "button",
    { type: "button", class: "button quiet", hidden: true, onclick: () => sending?.cancel() },
    T.cancel,
  );
  const remove = h(
    "button",
    {
      type: "button",
      class: "icon-button on-picture",
      hidden: true,
      title: T.remove,
      "aria-label": T.remove,
      onclick: () => {
        clear();
        choose.focus();
      },
    },
    icon("close"),
  );

  const picture = h("div", { class: "picture", hidden: true });
  const message = h(
    "div",
    { class: "drop-message" },
    h("p", { class: "drop-title" }, invitation),
    h("p", { class: "drop-or" }, touch ? T.tapOr : T.dropOr),
  );
  const frame = h(
    "div",
    {
      class: "frame",
      onclick: () => {
        if (!file && !sending) input.click();
      },
    },
    art,
    picture,
    message,
    remove,
  );
  const facts = h("p", { class: "chosen", "aria-live": "polite" }, T.limits);
  const bar = h(
    "div",
    {
      class: "bar",
      role: "progressbar",
      "aria-label": T.upload,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      hidden: true,
    },
    h("span", { class: "bar-fill" }),
  );
  const problems = h("div", { class: "problems" });
  const element = h(
    "section",
    { class: "card uploader", "aria-label": T.uploadHeading, dataset: { state: "empty" } },
    frame,
    h(
      "div",
      { class: "uploader-foot" },
      facts,
      bar,
      problems,
      h("div", { class: "row actions" }, choose, ...cameraButton(), h("span", { class: "spring" }), cancel, submit),
    ),
    input,
  );

  function cameraButton() {
    if (!touch) return [];
    const camera = h("input", {
      type: "file",
      accept: "image/*",
      capture: "environment",
      class: "visually-hidden",
      tabindex: "-1",
      "aria-hidden": "true",
      onchange: () => {
        take(camera.files);
        camera.value = "";
      },
    });
    return [
      h("button", { type: "button", class: "button", onclick: () => camera.click() }, icon("camera"), T.camera),
      camera,
    ];
  }

  function setState(state) {
    element.dataset.state = state;
    const busy = state === "sending";
    submit.disabled = busy || !file;
    choose.disabled = busy;
    cancel.hidden = !busy;
    bar.hidden = !busy;
    remove.hidden = busy || !file;
    message.hidden = Boolean(file) || busy;
    picture.hidden = !file && !busy;
  }

  function clear() {
    file = null;
    picture.replaceChildren();
    problems.replaceChildren();
    setText(facts, T.limits);
    setState("empty");
  }

  function fail(problem) {
    problems.replaceChildren(problemBox(problem));
    setState(file ? "chosen" : "empty");
  }

  function take(files) {
    if (sending || !files?.length) return;
    clear();
    const [first] = files;
    if (files.length > 1) toast(T.several);
    if (first.size > MAX_BYTES)
      return fail(new Problem({ detail: T.tooLarge(format.bytes(first.size)), hint: T.tooLargeHint }));
    if (first.size === 0) return fail(new Problem({ detail: T.empty, hint: T.emptyHint }));
    file = first;
    setText(facts, `${file.name} · ${format.bytes(file.size)}`);
    showPreview(file);
    setState("chosen");
    submit.focus({ preventScroll: true });
    announce(T.chosen(file.name));
  }

  function showPreview(of) {
    previewUrl = URL.createObjectURL(of);
    const image = h("img", { src: previewUrl, alt: T.preview(of.name), decoding: "async" });
    image.addEventListener("load", () => {
      if (file !== of) return;
      setText(
        facts,
        `${of.name} · ${format.dimensions(image.naturalWidth, image.naturalHeight)} · ${format.bytes(of.size)}`,
      );
    });
    image.addEventListener("error", () => {
      if (file !== of) return;
      previewUrl = null;
      picture.replaceChildren(h("div", { class: "no-preview" }, icon("picture"), h("p", {}, T.noPreview)));
    });
    picture.replaceChildren(
      h("img", { src: previewUrl, alt: "", class: "picture-blur", "aria-hidden": "true" }),
      image,
    );
  }

  function showProgress(share) {
    const percent = Math.floor(share * 100);
    bar.setAttribute("aria-valuenow", String(percent));
    bar.firstChild.style.inlineSize = `${percent}%`;
    setText(facts, share < 1 ? T.sending(percent) : T.sent);
  }

  async function send() {
    if (!file || sending) return;
    const label = facts.textContent;
    problems.replaceChildren();
    sending = upload(file, showProgress);
    setState("sending");
    showProgress(0);
    try {
      const job = await sending.done;
      sending = null;
      if (previewUrl) rememberPreview(job.id, previewUrl);
      previewUrl = null;
      go(jobUrl(job.id));
    } catch (problem) {
      sending = null;
      setText(facts, label);
      fail(problem);
      submit.focus({ preventScroll: true });
    }
  }

  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const listeners = {
    // The whole window takes a drop: a photo that misses the frame must not replace the page.
    dragenter(event) {
      if (!holdsFiles(event)) return;
      dragDepth += 1;
      element.classList.add("dragging");
      setText(message.firstChild, T.dropNow);
    },
    dragleave(event) {
      if (!holdsFiles(event)) return;
      dragDepth = Math.max(0, dragDepth - 1);
      if (!dragDepth) endDrag();
    },
    dragover(event) {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = sending ? "none" : "copy";
    },
    drop(event) {
      event.preventDefault();
      endDrag();
      if (event.dataTransfer.files.length) take(event.dataTransfer.files);
      else fail(new Problem({ detail: T.nothing, hint: "" }));
    },
    paste(event) {
      const [pasted] = [...(event.clipboardData?.files ?? [])].filter((one) => one.type.startsWith("image/"));
      if (!pasted) return;
      event.preventDefault();
      // Browsers call every pasted picture image.png.
      take([pasted.name && pasted.name !== "image.png" ? pasted : new File([pasted], T.pasted, { type: pasted.type })]);
    },
  };
  function endDrag() {
    dragDepth = 0;
    element.classList.remove("dragging");
    setText(message.firstChild, invitation);
  }

  for (const [name, listener] of Object.entries(listeners)) document.addEventListener(name, listener);
  return {
    element,
    showProblem: (problem) => {
      problems.replaceChildren(problemBox(problem));
      element.scrollIntoView({ block: "nearest" });
    },
    destroy() {
      for (const [name, listener] of Object.entries(listeners)) document.removeEventListener(name, listener);
      sending?.cancel();
      if (previewUrl) URL.revokeObjectURL(previewUrl);
    },
  };
}
