// One request: what it is for, its parameters, bodies and answers.

import { h } from "../dom.js";
import { DOCS as T } from "../strings-docs.js";
import { prose, row, table, typeOf } from "./schema.js";
import { tryForm } from "./try.js";

export function operation(whole, method, path, route) {
  const parameters = (route.parameters ?? []).map((one) =>
    row(one.name, one.schema, { required: one.required, about: one.description, where: T.where[one.in] }),
  );
  const body = Object.entries(route.requestBody?.content ?? {});
  const attempt = h("details", { class: "docs-try" }, h("summary", {}, T.tryIt));
  const element = h(
    "details",
    { id: route.operationId, class: "card docs-request" },
    h(
      "summary",
      {},
      h("span", { class: "docs-method", dataset: { method } }, method.toUpperCase()),
      h("h3", {}, h("code", {}, path)),
      h("span", { class: "docs-summary" }, route.summary ?? ""),
    ),
    h(
      "div",
      { class: "docs-inside" },
      prose(route.description ?? ""),
      parameters.length ? [h("h4", {}, T.parameters), table(`${route.summary}: ${T.parameters}`, parameters)] : null,
      body.length ? [h("h4", {}, T.body), prose(route.requestBody.description ?? ""), body.map((one) => bodyOf(...one))] : null,
      h("h4", {}, T.answers),
      h("dl", { class: "docs-answers" }, Object.entries(route.responses).map(([status, one]) => answerOf(whole, status, one))),
      attempt,
    ),
  );
  attempt.addEventListener("toggle", () => attempt.open && attempt.children.length === 1 && attempt.append(tryForm(method, path, route)), { once: false });
  return element;
}

function bodyOf(media, content) {
  return [
    h("p", {}, h("code", {}, media), ": ", typeOf(content.schema)),
    content.example === undefined ? null : code(content.example, T.bodyExample(media)),
  ];
}

function answerOf(whole, status, answer) {
  const content = Object.entries(answer.content ?? {});
  const parts = content.flatMap(([media, one]) => {
    const example = exampleOf(whole, one);
    return [
      h("p", {}, h("code", {}, media), one.schema ? [": ", typeOf(one.schema)] : null),
      example === undefined ? null : h("details", {}, h("summary", {}, T.example(status)), code(example, T.example(status))),
    ];
  });
  return [h("dt", {}, h("code", { class: Number(status) < 400 ? "docs-good" : "docs-bad" }, status)), h("dd", {}, prose(answer.description ?? ""), parts)];
}

function exampleOf(whole, content) {
  if (content.example !== undefined) return content.example;
  const [first] = Object.values(content.examples ?? {});
  const found = first?.$ref ? first.$ref.split("/").slice(1).reduce((at, part) => at?.[part], whole) : first;
  return found?.value;
}

/** A block that scrolls by keys as well. */
export function code(value, label) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return h("pre", { class: "docs-code", tabindex: "0", role: "group", "aria-label": label }, h("code", {}, text));
}
