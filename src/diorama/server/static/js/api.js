// The public HTTP API, and nothing else of the server. Every failure becomes a Problem with a sentence and a hint.

import { S } from "./strings.js";

const ROOT = "/api/v1";

export class Problem extends Error {
  /** @param {{detail?: string, hint?: string, code?: string, status?: number}} document RFC 9457, with our hint. */
  constructor({ detail, hint, code, status } = {}) {
    super(detail || S.unexpected(status ?? 0));
    this.hint = hint ?? (detail ? "" : S.unexpectedHint);
    this.code = code ?? "";
    this.status = status ?? 0;
  }

  static unreachable() {
    return new Problem({ detail: S.unreachable, hint: S.unreachableHint, code: "unreachable" });
  }

  static from(status, text) {
    try {
      const body = JSON.parse(text);
      if (typeof body.detail === "string") return new Problem({ ...body, status });
    } catch {
      // No problem document: the status alone has to do.
    }
    return new Problem({ status });
  }
}

async function request(path, { method = "GET", body, keepalive = false, signal } = {}) {
  let response;
  try {
    response = await fetch(ROOT + path, {
      method,
      keepalive,
      signal,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Problem.unreachable();
  }
  if (!response.ok) throw Problem.from(response.status, await response.text());
  return response.status === 204 ? null : response.json();
}

const at = (id) => `/jobs/${encodeURIComponent(id)}`;

/** The address in the network, null where the server is this machine's alone. */
export const lan = async () => (await request("/lan")).address;
export const qrUrl = (path) => `${ROOT}/lan/qr.svg?path=${encodeURIComponent(path)}`;
export const examples = () => request("/examples");
export const jobs = async () => (await request("/jobs")).jobs;
export const job = (id) => request(at(id));
export const validate = (id, step) => request(`${at(id)}/validate`, { method: "POST", body: { step } });
export const rerun = (id, step, settings) => request(`${at(id)}/rerun`, { method: "POST", body: { step, settings } });
/** The things in the photo with their outlines, and how many changes could be taken back. */
export const segments = (id) => request(`${at(id)}/segments`);
export const renameSegment = (id, segment, name) =>
  request(`${at(id)}/segments/${segment}`, { method: "PATCH", body: { name } });
export const mergeSegments = (id, ids) => request(`${at(id)}/segments/merge`, { method: "POST", body: { ids } });
export const splitSegment = (id, segment, x, y) =>
  request(`${at(id)}/segments/split`, { method: "POST", body: { id: segment, x, y } });
export const undoSegments = (id) => request(`${at(id)}/segments/undo`, { method: "POST" });
/** What asking GPT-4 about the job would send and cost. */
export const adviceEstimate = (id) => request(`${at(id)}/advice/estimate`);
/** Strokes of the correction brush: `{ corrections, made, pending }`, which every change of them answers with, too. */
export const corrections = (id) => request(`${at(id)}/corrections`);
export const addCorrection = (id, stroke) => request(`${at(id)}/corrections`, { method: "POST", body: stroke });
export const undoCorrection = (id) => request(`${at(id)}/corrections/undo`, { method: "POST" });
export const clearCorrections = (id) => request(`${at(id)}/corrections`, { method: "DELETE" });
export const previewUrl = (id, ending, version) => `${ROOT}${at(id)}/corrections/preview.${ending}?v=${version}`;
/** Have the server read what previews are made of, before the first one is asked for. */
export const warmPreview = (id) => fetch(previewUrl(id, "glb", 0)).catch(() => null);
/** What a finished step can be made into: `{ available, made }`; and the files that are made of it when asked for. */
export const products = (id, step) => request(`${at(id)}/products?step=${encodeURIComponent(step)}`);
export const product = (id, product) => request(`${at(id)}/products/${encodeURIComponent(product)}`);
export const makeProduct = (id, step, product, options) =>
  request(`${at(id)}/products`, { method: "POST", body: { step, product, options } });
export const removeProduct = (id, product) =>
  request(`${at(id)}/products/${encodeURIComponent(product)}`, { method: "DELETE" });
export const remove = (id) => request(at(id), { method: "DELETE", keepalive: true });
export const fromExample = (name) => request(`/jobs?example=${encodeURIComponent(name)}`, { method: "POST" });
export const eventsUrl = (id) => `${ROOT}${at(id)}/events`;

/** Depth models, inpainters and segmenters, best first: `{ models, inpainters, segmenters }`. */
export const models = () => request("/models");

let schema = null;
/** The settings' JSON schema; it doesn't change while a server runs. */
export const settingsSchema = () => {
  schema ??= request("/settings").catch((error) => {
    schema = null;
    throw error;
  });
  return schema;
};

/**
 * Send a photo. `onProgress` gets the share of the bytes that has been sent, 0..1.
 * @returns {{ done: Promise<object>, cancel: () => void }}
 */
export function upload(file, onProgress) {
  // fetch can't tell how much of a body has been sent.
  const sender = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    sender.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    sender.addEventListener("load", () => {
      if (sender.status === 201) resolve(JSON.parse(sender.responseText));
      else reject(Problem.from(sender.status, sender.responseText));
    });
    sender.addEventListener("error", () => reject(Problem.unreachable()));
    sender.addEventListener("abort", () =>
      reject(new Problem({ detail: S.start.cancelled, hint: "", code: "cancelled" })),
    );
    const form = new FormData();
    form.append("photo", file, file.name);
    sender.open("POST", `${ROOT}/jobs`);
    sender.send(form);
  });
  return { done, cancel: () => sender.abort() };
}
