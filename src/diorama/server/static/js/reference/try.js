// A form that sends a request to this server and shows what it answers, with the same as a curl command.

import { announce, h, setText } from "../dom.js";
import * as format from "../format.js";
import { DOCS as T } from "../strings-docs.js";

const SHOWN_CHARACTERS = 40_000;
const EVENT_SECONDS = 3; // of a stream that may last for minutes
let count = 0;

export function tryForm(method, path, route) {
  const inputs = (route.parameters ?? []).map((one) => ({ ...one, ...field(one.name, one.example, one.required) }));
  const body = bodyPart(route.requestBody);
  const curl = h("code", {});
  const answer = h("div", { class: "docs-answer", "aria-live": "polite" });
  const send = h("button", { type: "submit", class: "button primary small" }, T.send);
  const copy = h("button", { type: "button", class: "button small", onclick: copied }, T.copy);
  const form = h(
    "form",
    { novalidate: true },
    method === "get" ? null : h("p", { class: "muted" }, T.changes),
    inputs.map((one) => one.element),
    body.element,
    h("div", { class: "row" }, send),
    h("p", { class: "docs-label" }, T.curl),
    h("pre", { class: "docs-code", tabindex: "0", role: "group", "aria-label": T.curl }, curl),
    h("div", { class: "row" }, copy),
    answer,
  );
  const update = () => setText(curl, command(method, addressOf(path, inputs), body));
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  update();

  async function copied() {
    await navigator.clipboard?.writeText(curl.textContent);
    announce(T.copied);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const missing = inputs.find((one) => one.required && !one.value());
    if (missing) {
      missing.input.focus();
      answer.replaceChildren(h("p", { class: "docs-bad" }, T.missing(missing.name)));
      return;
    }
    const wrong = body.wrong();
    if (wrong) return answer.replaceChildren(h("p", { class: "docs-bad" }, T.bad(wrong)));
    send.disabled = true;
    answer.replaceChildren(h("p", {}, T.sending));
    try {
      const got = await fetch(addressOf(path, inputs), { method: method.toUpperCase(), ...body.request() });
      answer.replaceChildren(...(await shown(got)));
    } catch (error) {
      answer.replaceChildren(h("p", { class: "docs-bad" }, String(error.message ?? error)));
    } finally {
      send.disabled = false;
    }
  });
  return form;
}

function field(name, example, required) {
  count += 1;
  const id = `try-${count}`;
  const given = example === undefined || !required ? "" : String(example);
  const hint = example === undefined ? null : String(example);
  const input = h("input", { id, type: "text", class: "docs-input", value: given, placeholder: hint, "aria-required": required ? "true" : null, autocomplete: "off", spellcheck: "false" });
  return { input, value: () => input.value, element: h("div", { class: "docs-field" }, h("label", { for: id }, name), input) };
}

function addressOf(path, inputs) {
  const of = (place) => inputs.filter((one) => one.in === place);
  const filled = of("path").reduce((text, one) => {
    const parts = one.value().split("/").map(encodeURIComponent).join("/"); // names of files have folders
    return text.replace(`{${one.name}}`, parts || `{${one.name}}`);
  }, path);
  const query = new URLSearchParams(of("query").filter((one) => one.value()).map((one) => [one.name, one.value()]));
  return query.size ? `${filled}?${query}` : filled;
}

/** JSON as text, or a file as it is: the two kinds of bodies that the API takes. */
function bodyPart(described) {
  const content = described?.content ?? {};
  const none = { element: null, wrong: () => null, request: () => ({}), curl: () => "" };
  if (content["application/json"]) return jsonPart(content["application/json"].example ?? {});
  return Object.keys(content).length ? filePart() : none;
}

function jsonPart(example) {
  count += 1;
  const id = `try-${count}`;
  const text = JSON.stringify(example, null, 2);
  const area = h("textarea", { id, class: "docs-input docs-area", rows: String(Math.min(14, text.split("\n").length + 1)), spellcheck: "false", value: text });
  return {
    element: h("div", { class: "docs-field" }, h("label", { for: id }, T.json), area),
    request: () => ({ headers: { "Content-Type": "application/json" }, body: area.value }),
    curl: () => ` -H 'Content-Type: application/json' -d ${quoted(compact(area.value))}`,
    wrong() {
      try {
        JSON.parse(area.value);
        return null;
      } catch (error) {
        return error.message;
      }
    },
  };
}

function filePart() {
  count += 1;
  const id = `try-${count}`;
  const input = h("input", { id, type: "file", class: "docs-input" });
  const type = () => input.files[0]?.type || "application/octet-stream";
  return {
    element: h("div", { class: "docs-field" }, h("label", { for: id }, T.file), input),
    request: () => (input.files[0] ? { headers: { "Content-Type": type() }, body: input.files[0] } : {}),
    curl: () => (input.files[0] ? ` -H ${quoted(`Content-Type: ${type()}`)} --data-binary ${quoted(`@${input.files[0].name}`)}` : ""),
    wrong: () => null,
  };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function compact(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

function command(method, address, body) {
  const verb = method === "get" ? "" : ` -X ${method.toUpperCase()}`;
  return `curl${verb} ${quoted(location.origin + address)}${body.curl()}`;
}

async function shown(answer) {
  const type = answer.headers.get("content-type") ?? "";
  const head = h(
    "p",
    { class: "docs-status" },
    h("span", { class: answer.ok ? "docs-good" : "docs-bad" }, `${answer.status} ${answer.statusText}`.trim()),
    type ? ` · ${type.split(";")[0]}` : "",
  );
  if (answer.status === 204) return [head, h("p", { class: "muted" }, T.empty)];
  if (type.startsWith("text/event-stream")) return [head, h("p", { class: "muted" }, T.events), block(await beginning(answer))];
  if (/json/.test(type)) return [head, ...text(JSON.stringify(await answer.json(), null, 2))];
  if (/^text\//.test(type)) return [head, ...text(await answer.text())];
  const blob = await answer.blob();
  const url = URL.createObjectURL(blob); // as long as the page is there: it may be saved at any time
  const name = decodeURIComponent(new URL(answer.url).pathname.split("/").at(-1));
  const link = h("p", {}, h("a", { href: url, download: name }, T.download(name)), ` (${format.bytes(blob.size)})`);
  const picture = type.startsWith("image/") ? h("img", { src: url, alt: T.picture, class: "docs-picture" }) : null;
  return [head, link, picture].filter(Boolean);
}

function text(whole) {
  const parts = [block(whole.slice(0, SHOWN_CHARACTERS))];
  return whole.length > SHOWN_CHARACTERS ? [...parts, h("p", { class: "muted" }, T.cut)] : parts;
}

const block = (content) =>
  h("pre", { class: "docs-code", tabindex: "0", role: "group", "aria-label": T.answer }, h("code", {}, content));

/** What comes of a stream in the first seconds. */
async function beginning(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  const end = setTimeout(() => void reader.cancel(), EVENT_SECONDS * 1000);
  let found = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done || found.length > SHOWN_CHARACTERS) break;
    found += value;
  }
  clearTimeout(end);
  return found;
}
