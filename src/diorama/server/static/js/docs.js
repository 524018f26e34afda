// The API's reference, made from /openapi.json: every request with its parameters, bodies, answers, and a form to try it.

import { h, icon } from "./dom.js";
import { operation } from "./reference/operation.js";
import { prose, schemaTable } from "./reference/schema.js";
import { DOCS as T } from "./strings-docs.js";
import { S } from "./strings.js";
import { themeButton } from "./theme.js";

const main = h("main", { id: "main", tabindex: "-1", class: "wrap docs" });
const nav = h("nav", { class: "docs-nav", "aria-label": T.nav });

document.body.prepend(
  h("a", { class: "skip", href: "#main" }, S.skip),
  h(
    "header",
    { class: "site" },
    h(
      "div",
      { class: "wrap" },
      h("a", { class: "wordmark", href: "/", "aria-label": S.home }, icon("logo", "logo"), h("span", {}, S.product)),
      h("div", { class: "site-tools" }, themeButton()),
    ),
  ),
  main,
  h("div", { id: "live", class: "visually-hidden", "aria-live": "polite" }),
);

function show(document_) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, route] of Object.entries(methods)) {
      const name = route.tags?.[0] ?? "";
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(operation(document_, method, path, route));
    }
  }
  const schemas = Object.entries(document_.components.schemas);
  const links = [...groups.keys(), T.schemas].map((name) => h("li", {}, h("a", { href: `#${idOf(name)}` }, name)));
  nav.replaceChildren(h("ul", {}, links));
  main.replaceChildren(
    nav,
    h(
      "div",
      { class: "docs-body" },
      h(
        "header",
        { class: "docs-intro" },
        h("h1", {}, T.title),
        h("p", { class: "lead" }, T.lead),
        prose(document_.info.description ?? ""),
        h("p", {}, h("a", { href: "/openapi.json" }, T.description), ` · ${document_.info.version}`),
      ),
      [...groups].map(([name, operations]) =>
        h("section", { id: idOf(name), "aria-labelledby": `${idOf(name)}-head` }, h("h2", { id: `${idOf(name)}-head` }, name), operations),
      ),
      h(
        "section",
        { id: idOf(T.schemas), "aria-labelledby": "records-head" },
        h("h2", { id: "records-head" }, T.schemas),
        h("p", { class: "muted" }, T.schemasLead),
        schemas.map(([name, schema]) =>
          h(
            "details",
            { id: `record-${name}`, class: "card docs-record" },
            h("summary", {}, h("h3", {}, name)),
            schemaTable(schema),
          ),
        ),
      ),
    ),
  );
  main.dataset.ready = "true";
}

const idOf = (name) => `group-${name.toLowerCase()}`;

/** What an address names is opened: links to records and requests lead into closed ones. */
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.localName === "details") target.open = true;
  target.scrollIntoView();
}

async function load() {
  try {
    const answer = await fetch("/openapi.json");
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
    open();
  } catch (error) {
    console.warn(error);
    main.replaceChildren(
      h("h1", {}, T.title),
      h("div", { class: "notice error", role: "alert" }, icon("warning"), h("p", {}, T.gone, " ", S.unreachableHint)),
    );
  }
}

addEventListener("hashchange", open);
void load();
