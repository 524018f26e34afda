// JSON schema in words: a type, its limits, a table of fields.

import { h } from "../dom.js";
import { DOCS as T } from "../strings-docs.js";

const nameOf = (schema) => schema?.$ref?.split("/").at(-1) ?? null;

/** "number or null", with links to records. @returns parts to be put into an element */
export function typeOf(schema) {
  if (!schema) return [];
  const name = nameOf(schema);
  if (name) return [h("a", { href: `#record-${name}` }, name)];
  const choices = schema.anyOf ?? schema.oneOf ?? (schema.allOf?.length === 1 ? schema.allOf : null);
  if (choices) return choices.flatMap((one, index) => [index ? " or " : "", ...typeOf(one)]);
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  if (schema.type === "array") return ["list of ", ...(typeOf(schema.items).length ? typeOf(schema.items) : ["anything"])];
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return ["object of ", ...typeOf(schema.additionalProperties)];
  }
  if (schema.format === "binary") return ["bytes"];
  return [schema.type ?? "anything"];
}

/** "From 1 to 8. Values: a, b. Default 3." */
export function limitsOf(schema) {
  const inner = schema?.anyOf?.find((one) => one.type !== "null") ?? schema ?? {};
  const low = inner.minimum ?? inner.exclusiveMinimum;
  const high = inner.maximum ?? inner.exclusiveMaximum;
  const parts = [];
  if (low !== undefined || high !== undefined) {
    parts.push([low === undefined ? "" : `${T.from} ${low}`, high === undefined ? "" : `${T.to} ${high}`].join(" ").trim());
  }
  const values = inner.enum ?? (inner.type === "array" ? inner.items?.enum : null);
  if (values) parts.push(`${T.may}: ${values.map(String).join(", ")}`);
  if (schema?.default !== undefined && schema.default !== null) parts.push(`${T.by} ${JSON.stringify(schema.default)}`);
  return parts.map((part) => `${part}.`).join(" ");
}

/** A row of name, type, and what it means. */
export function row(name, schema, { required, about, where = null }) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, name)),
    h("td", {}, typeOf(schema), h("br"), h("span", { class: "muted" }, required ? T.required : T.optional, where ? `, ${where}` : "")),
    h("td", {}, [about, limitsOf(schema)].filter(Boolean).join(" ")),
  );
}

export function table(label, rows) {
  return h("div", { class: "docs-table", tabindex: "0", role: "group", "aria-label": label }, h("table", {}, h("tbody", {}, rows)));
}

export function schemaTable(schema) {
  const fields = Object.entries(schema.properties ?? {});
  const required = new Set(schema.required ?? []);
  const about = schema.description ? prose(schema.description) : null;
  if (!fields.length) return h("div", { class: "docs-fields" }, about, h("p", { class: "muted" }, T.none));
  const rows = fields.map(([name, one]) => row(name, one, { required: required.has(name), about: one.description }));
  return h("div", { class: "docs-fields" }, about, table(schema.title ?? "", rows));
}

/** Paragraphs, with `code` as code: what the descriptions use of Markdown. */
export function prose(text) {
  const paragraphs = text.split(/\n\s*\n/).map((part) => part.trim()).filter(Boolean);
  return paragraphs.map((part) =>
    h("p", {}, part.split("`").map((piece, index) => (index % 2 ? h("code", {}, piece) : piece))),
  );
}
