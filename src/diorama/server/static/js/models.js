// What could run: depth models, inpainters and segmenters, while better ones' weights may be on their way.

import { models } from "./api.js";

const MODELS_MS = 30000;
const MODELS_ASKED = 40; // for 20 minutes: a download that takes longer is seen after a reload

/** @param onList gets `{ models, inpainters, segmenters }` now, and again until the best of both are there */
export function watchModels(onList) {
  let timer = 0;
  let asked = 0;
  let stopped = false;
  const ask = async () => {
    asked += 1;
    try {
      const list = await models();
      if (stopped) return;
      onList(list);
      if (list.models.every((model) => model.available)) return;
    } catch {
      // The choice of models is extra: the settings work without it, and the next round may bring it.
    }
    if (!stopped && asked < MODELS_ASKED) timer = setTimeout(ask, MODELS_MS);
  };
  void ask();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
