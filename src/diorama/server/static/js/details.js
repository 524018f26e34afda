// What was made, in figures: facts, downloads, the report of what ran.

import { h, icon } from "./dom.js";
import * as format from "./format.js";
import { S } from "./strings.js";

const baseName = (file) => file.name.split("/").pop();

export const seconds = (job) => job.report.reduce((sum, stage) => sum + stage.seconds, 0);
export const depthReport = (job) => job.report.find((stage) => stage.stage === "depth") ?? null;
export const sourceName = (source) => S.facts.source[source] ?? source;

export function facts(job) {
  const T = S.facts;
  const rows = [];
  const { camera } = job;
  if (camera) rows.push([T.size, format.dimensions(camera.width, camera.height)]);
  if (job.points !== null) rows.push([T.points, format.number(job.points)]);
  if (job.triangles !== null) rows.push([T.triangles, format.number(job.triangles)]);
  if (job.report.length) rows.push([T.seconds, format.seconds(seconds(job))]);
  if (camera) rows.push([T.camera, T.fov(format.number(camera.fov_x, 1), sourceName(camera.source))]);
  if (job.units) rows.push([T.units, T[job.units] ?? job.units]);
  const depth = depthReport(job);
  if (depth && job.step === "original") rows.push([T.depth, depth.backend === "embedded" ? S.modelNames.embedded : depth.backend]);
  if (job.step === "enhanced") {
    const layers = job.report.find((stage) => stage.stage === "layers");
    if (layers) rows.push([T.inpaint, S.modelNames[layers.backend] ?? layers.backend]);
    if (job.meshes) rows.push([T.meshes, format.number(job.meshes)]);
    if (job.imagined !== null) rows.push([T.imagined, T.imaginedShare(format.percent(job.imagined))]);
  }
  return h(
    "section",
    { class: "card card-pad facts" },
    h("h2", {}, S.original.facts),
    h(
      "dl",
      {},
      rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
    ),
  );
}

export function downloads(job) {
  const files = job.files.filter((file) => file.download && file.name.startsWith(`${job.step}/`));
  return h(
    "section",
    { class: "card downloads" },
    h("h2", {}, S.original.downloads),
    h(
      "ul",
      {},
      files.map((file) => {
        const size = format.bytes(file.bytes);
        const about = S.filesOf[job.step]?.[baseName(file)] ?? S.files[baseName(file)];
        return h(
          "li",
          {},
          h(
            "a",
            {
              href: `${file.url}?download=1`,
              download: baseName(file),
              dataset: { file: baseName(file) },
            },
            h(
              "span",
              { class: "download-text" },
              h("span", { class: "visually-hidden" }, S.original.download),
              h("span", { class: "download-label" }, file.label),
              about ? h("span", { class: "download-about" }, about) : null,
            ),
            h("span", { class: "download-size" }, size),
            icon("download"),
          ),
        );
      }),
    ),
  );
}

/** Where files are made on demand. Not part of the first page: what it needs is asked for here. */
export function exporting(job) {
  const element = h("div", { class: "export-place" });
  void import("./export.js").then(({ exportPanel }) => element.append(exportPanel(job)));
  return element;
}

/** What ran, from the photo to the job's step. */
export function report(job) {
  const T = S.report;
  const label = (name) => T.stages[name] ?? name;
  const cell = (text) => text || T.none;
  const settings = (values) =>
    h(
      "ul",
      { class: "report-settings" },
      Object.entries(values).map(([name, value]) =>
        h("li", {}, h("code", {}, `${name} ${value === null ? "auto" : value}`)),
      ),
    );
  const row = (stage) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, label(stage.stage)),
      h("td", {}, h("code", {}, stage.backend), stage.provider ? ` ${T.on(stage.provider)}` : null),
      h("td", { class: "report-reason" }, cell(stage.reason)),
      h("td", { class: "figure" }, format.seconds(stage.seconds)),
      h("td", {}, Object.keys(stage.settings).length ? settings(stage.settings) : T.none),
      h("td", { class: "report-reason" }, cell(stage.warnings.join(" "))),
    );
  const heads = [T.stage, T.backend, T.reason, T.seconds, T.settings, T.warnings];
  return h(
    "details",
    { class: "card report" },
    h("summary", {}, h("h2", {}, S.original.report), h("span", { class: "muted" }, S.original.reportLead)),
    h(
      "div",
      { class: "report-scroll", tabindex: "0", role: "region", "aria-label": S.original.report },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            heads.map((head) => h("th", { scope: "col" }, head)),
          ),
        ),
        h("tbody", {}, job.report.map(row)),
        h(
          "tfoot",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "row", colspan: "3" }, T.total),
            h("td", { class: "figure" }, format.seconds(seconds(job))),
            h("td", { colspan: "2" }),
          ),
        ),
      ),
    ),
  );
}
