// Files on demand: a format, its options as the server describes them, how far it is, the file.

import * as api from "./api.js";
import { announce, h, icon, setText } from "./dom.js";
import * as format from "./format.js";
import { facts, makeField } from "./settings-fields.js";
import { problemBox } from "./shell.js";
import { S } from "./strings.js";

const POLL_MS = 700;
const RETRY_MS = 3000;
const PAGE = "html"; // the format of the button
const SHOWN = new Set(["webp", "gif", "wiggle.gif", "stereo.jpg"]); // pictures that the step's own pages don't show

/** @param job as it stands at the step of which files are made (`atStep`) */
export function exportPanel(job) {
  const T = S.export;
  const id = "export-format";
  const select = h("select", { id, onchange: () => choose() });
  const about = h("p", { class: "field-note" });
  const options = h("div", { class: "export-options" });
  const trouble = h("div", { class: "problems" });
  const make = h("button", { type: "submit", class: "button primary wide", disabled: true }, icon("spark"), T.make);
  const made = h("ul", { class: "export-made", "aria-label": T.made });
  const element = h(
    "form",
    { class: "card export", "aria-label": T.title, novalidate: true, dataset: { busy: "true" } },
    h("h2", {}, T.title),
    h("p", { class: "muted" }, T.lead),
    h("button", { type: "button", class: "button wide", onclick: () => ask(PAGE, {}) }, icon("share"), T.share),
    h("div", { class: "field" }, h("label", { for: id }, T.format), h("div", { class: "select" }, select), about),
    options,
    trouble,
    make,
    made,
  );
  const known = new Map(); // product's name -> what the server says of it
  const rows = new Map(); // id of what was made -> { element, update }
  let fields = [];
  let timer = 0;

  function offer(products) {
    const groups = Object.entries(T.groups).map(([group, label]) => {
      const own = products.filter((one) => one.group === group);
      return own.length ? h("optgroup", { label }, own.map(choice)) : null;
    });
    for (const one of products) known.set(one.name, one);
    select.replaceChildren(...groups.filter(Boolean));
    choose();
  }

  function choice(one) {
    const lacks = !one.installed ? T.needsPackage : one.ready ? "" : T.needsStep[one.needs];
    return h("option", { value: one.name }, lacks ? `${one.label} (${lacks})` : one.label);
  }

  function choose() {
    const one = known.get(select.value);
    const lacks = !one.installed
      ? T.install(one.label, one.install)
      : one.ready
        ? ""
        : T.later(one.label, S.steps[one.needs]);
    setText(about, lacks || one.about);
    about.classList.toggle("field-warning", Boolean(lacks));
    fields = Object.entries(one.options.properties ?? {}).map(([name, schema]) => {
      // The settings beside have controls of the same names.
      const fact = { ...facts(name, schema), name: `export-${name}`, plain: schema.slider === false };
      const field = fact.type === "string" ? textField(fact) : makeField(fact, () => {});
      field.set(fact.fallback);
      return { name, fact, field };
    });
    options.replaceChildren(...(lacks ? [] : fields.map(({ field }) => field.element)));
    make.disabled = Boolean(lacks);
    trouble.replaceChildren();
    element.dataset.format = one.name;
  }

  async function ask(product, values) {
    make.disabled = true;
    trouble.replaceChildren();
    try {
      const one = await api.makeProduct(job.id, job.step, product, values);
      show(one, { first: true });
      watch();
    } catch (problem) {
      trouble.replaceChildren(problemBox(problem));
    } finally {
      make.disabled = false;
    }
  }

  function chosen() {
    const changed = fields.map(({ name, fact, field }) => [name, field.get(), fact.fallback]);
    return Object.fromEntries(changed.filter(([, value, fallback]) => value !== fallback));
  }

  element.addEventListener("submit", (event) => {
    event.preventDefault();
    void ask(select.value, chosen());
  });

  function show(one, { first = false } = {}) {
    let row = rows.get(one.id);
    if (!row) {
      row = madeRow(one, { remove: () => remove(one.id), again: () => ask(one.product, one.options) });
      rows.set(one.id, row);
      made.append(row.element);
    }
    if (first) made.prepend(row.element);
    row.update(one);
  }

  function drop(gone) {
    rows.get(gone)?.element.remove();
    rows.delete(gone);
  }

  async function remove(which) {
    try {
      await api.removeProduct(job.id, which);
    } catch (problem) {
      if (problem.status !== 404) return trouble.replaceChildren(problemBox(problem));
    }
    drop(which);
    make.focus();
  }

  const isMade = (one) => one.state === "done" || one.state === "failed";

  /** Look again as long as something is being made and the panel is shown. */
  function watch(wait = POLL_MS) {
    clearTimeout(timer);
    timer = setTimeout(look, wait);
  }

  async function look() {
    let next = POLL_MS;
    for (const [which, row] of rows) {
      if (!element.isConnected) return;
      if (isMade(row.now)) continue;
      try {
        const one = await api.product(job.id, which);
        if (rows.get(which) !== row) continue; // removed in the meantime
        row.update(one);
        if (one.state === "done") announce(T.done(one.label));
        if (one.state === "failed") announce(T.failed(one.label));
      } catch (problem) {
        if (problem.status === 404) drop(which);
        else next = RETRY_MS;
      }
    }
    if ([...rows.values()].some((row) => !isMade(row.now))) watch(next);
  }

  async function load() {
    try {
      const found = await api.products(job.id, job.step);
      offer(found.available);
      for (const one of found.made) show(one);
      element.dataset.busy = "false";
      if (found.made.some((one) => !isMade(one))) watch();
    } catch (problem) {
      trouble.replaceChildren(problemBox(problem));
    }
  }

  void load();
  return element;
}

/** A file that was asked for: how far it is, then where it is. */
function madeRow(first, actions) {
  const T = S.export;
  const line = h("div", { class: "export-line" });
  const note = h("div", { class: "export-notes" });
  const label = h(
    "div",
    { class: "export-label" },
    h("span", { class: "download-label" }, first.label),
    h("span", { class: "download-about" }, chosenOptions(first.options)),
  );
  const bar = h("progress", { max: "1", "aria-label": T.bar(first.label) });
  const said = h("span", { class: "download-about" });
  const stop = h("button", { type: "button", class: "button quiet small", onclick: actions.remove }, icon("close"));
  const element = h("li", { dataset: { product: first.product } }, h("div", { class: "export-head" }, label, stop), line, note);
  let state = "";

  function settled(one) {
    if (one.state === "failed") {
      note.replaceChildren(
        problemBox(one.error, h("button", { type: "button", class: "button small", onclick: actions.again }, T.again)),
      );
      line.replaceChildren();
      return;
    }
    const size = format.bytes(one.bytes);
    line.replaceChildren(
      h(
        "a",
        { href: one.url, download: one.name, class: "export-file" },
        icon("download"),
        h("span", { class: "visually-hidden" }, S.original.download),
        h("span", {}, one.name),
        h("span", { class: "download-size" }, size),
      ),
    );
    note.replaceChildren(...[preview(one), ...one.notes.map((text) => h("p", { class: "download-about" }, text))].filter(Boolean));
  }

  const row = {
    element,
    now: first,
    update(one) {
      row.now = one;
      const going = one.state === "queued" || one.state === "running";
      if (going) {
        if (state !== "going") line.replaceChildren(bar, said);
        if (one.state === "running") bar.value = one.fraction;
        else bar.removeAttribute("value");
        setText(said, one.state === "queued" ? T.queued : one.message);
        note.replaceChildren();
      } else if (state !== one.state) {
        settled(one);
      }
      state = going ? "going" : one.state;
      element.dataset.state = one.state;
      stop.setAttribute("aria-label", (going ? T.cancel : T.remove)(one.label));
      stop.title = (going ? T.cancel : T.remove)(one.label);
    },
  };
  return row;
}

/** What can be looked at right here: films play, animated and stereo pictures are shown. */
function preview(one) {
  const title = S.export.preview(one.label);
  if (one.media_type.startsWith("video/")) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const film = h("video", { class: "export-preview", src: one.url, controls: true, loop: true, playsinline: true, preload: "metadata", "aria-label": title });
    film.muted = true;
    film.autoplay = !still;
    return film;
  }
  if (!SHOWN.has(one.product)) return null;
  return h("img", { class: "export-preview", src: one.url, alt: title, loading: "lazy" });
}

/** "width 80, frame on": what was chosen, for telling two files of one format apart. */
function chosenOptions(values) {
  const say = (value) => (typeof value === "boolean" ? (value ? S.export.on : S.export.off) : String(value));
  return Object.entries(values)
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${say(value)}`)
    .join(", ");
}

function textField(fact) {
  const id = `setting-${fact.name}`;
  const input = h("input", { type: "text", id, class: "export-text" });
  const element = h(
    "div",
    { class: "field", dataset: { setting: fact.name } },
    h("label", { for: id }, fact.label),
    input,
    h("p", { class: "field-note" }, fact.about),
  );
  return {
    element,
    get: () => (input.value === "" && fact.optional ? null : input.value),
    set(value) {
      input.value = value ?? "";
    },
  };
}
