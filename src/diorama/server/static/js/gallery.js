// Pictures to click on: the examples, and the scenes that were made before.

import * as api from "./api.js";
import { h, icon, setText } from "./dom.js";
import { fileUrl } from "./files.js";
import * as format from "./format.js";
import { isLeaving, onRemoval, removeLater } from "./removal.js";
import { go, jobUrl } from "./router.js";
import { rememberPreview } from "./session.js";
import { problemBox } from "./shell.js";
import { S } from "./strings.js";

const REFRESH_MS = 5000;
const EXPECTED = 3; // examples: their places are kept free, so that nothing jumps

/** Three photos to try. `upload` shows what goes wrong. */
export function exampleRow(upload) {
  const list = h("ul", { class: "examples" });
  const element = h(
    "section",
    { class: "examples-section" },
    h("div", { class: "section-head" }, h("h2", {}, S.start.examples), h("p", {}, S.start.examplesLead)),
    list,
  );
  const begin = async (example, button) => {
    button.disabled = true;
    button.classList.add("busy");
    try {
      const job = await api.fromExample(example.name);
      rememberPreview(job.id, example.thumbnail);
      go(jobUrl(job.id));
    } catch (problem) {
      upload.showProblem(problem);
    } finally {
      button.disabled = false;
      button.classList.remove("busy");
    }
  };
  const card = (example) => {
    const button = h(
      "button",
      {
        type: "button",
        class: "example",
        "aria-label": S.start.tryExample(example.label),
        dataset: { example: example.name },
        onclick: () => begin(example, button),
      },
      h("img", { src: example.thumbnail, alt: "", loading: "lazy", decoding: "async" }),
      h("span", { class: "example-label" }, example.label, icon("arrow")),
    );
    return h("li", {}, button);
  };
  list.append(...Array.from({ length: EXPECTED }, () => h("li", { class: "example empty", "aria-hidden": "true" })));
  api.examples().then(
    (examples) => {
      list.replaceChildren(...examples.map(card));
      element.hidden = examples.length === 0;
    },
    () => {
      element.hidden = true;
    }, // the page works without; the history below says when the server is away
  );
  return element;
}

/** Earlier scenes, kept up to date while one of them is being made. */
export function historySection() {
  const list = h("ul", { class: "history" });
  const count = h("p", {});
  const problems = h("div", {});
  const element = h(
    "section",
    { class: "history-section", hidden: true },
    h("div", { class: "section-head" }, h("h2", {}, S.start.history), count),
    problems,
    list,
  );
  const cards = new Map();
  let timer = 0;
  let stopped = false;

  const load = async () => {
    clearTimeout(timer);
    try {
      const jobs = await api.jobs();
      if (stopped) return;
      problems.replaceChildren();
      show(jobs);
      if (jobs.some((job) => job.state === "queued" || job.state === "running")) timer = setTimeout(load, REFRESH_MS);
    } catch (problem) {
      if (stopped) return;
      element.hidden = false;
      problems.replaceChildren(problemBox(problem));
      timer = setTimeout(load, REFRESH_MS);
    }
  };

  const show = (jobs) => {
    const visible = jobs.filter((job) => !isLeaving(job.id));
    const known = new Set(visible.map((job) => job.id));
    for (const [id, card] of cards) {
      if (known.has(id)) continue;
      card.element.remove();
      cards.delete(id);
    }
    visible.forEach((job, index) => {
      let card = cards.get(job.id);
      if (!card) {
        card = historyCard(job, () => remove(job));
        cards.set(job.id, card);
      }
      card.update(job);
      if (list.children[index] !== card.element) list.insertBefore(card.element, list.children[index] ?? null);
    });
    element.hidden = visible.length === 0;
    setText(count, S.start.historyCount(visible.length));
  };

  const remove = (job) => {
    const next = cards.get(job.id)?.element.nextElementSibling ?? list.firstElementChild;
    removeLater(job);
    show([...cards.values()].map((card) => card.job));
    const target = next?.isConnected ? next.querySelector("a") : document.getElementById("choose-file");
    target?.focus({ preventScroll: true });
  };

  const stopListening = onRemoval(load);
  void load();
  return {
    element,
    destroy() {
      stopped = true;
      clearTimeout(timer);
      stopListening();
    },
  };
}

function historyCard(job, onRemove) {
  const picture = h("span", { class: "history-picture" });
  const when = h("time", { datetime: job.created, title: format.moment(job.created) });
  const state = h("span", { class: "chip" });
  const link = h(
    "a",
    { href: jobUrl(job.id), class: "history-link" },
    picture,
    h(
      "span",
      { class: "history-text" },
      h("span", { class: "history-name" }, job.name),
      h("span", { class: "history-meta" }, when, state),
    ),
  );
  const element = h(
    "li",
    { class: "history-item", dataset: { job: job.id } },
    link,
    h(
      "button",
      {
        type: "button",
        class: "icon-button on-picture",
        title: S.start.deleteOne(job.name),
        "aria-label": S.start.deleteOne(job.name),
        onclick: onRemove,
      },
      icon("trash"),
    ),
  );
  let shown = null;
  const card = {
    element,
    job,
    update(now) {
      card.job = now;
      const source = fileUrl(now, "thumbnail.jpg") ?? fileUrl(now, "photo.jpg");
      if (source !== shown || !picture.firstChild) {
        shown = source;
        picture.replaceChildren(
          source ? h("img", { src: source, alt: "", loading: "lazy", decoding: "async" }) : icon("picture"),
        );
      }
      setText(when, format.ago(now.created));
      setText(state, S.jobState[now.state]);
      state.dataset.state = now.state;
    },
  };
  return card;
}
