// A job's files by their short names, and a job as it stands at one of its steps.

/** The address of a step's file, or null while it isn't there. */
export function fileUrl(job, name, step = "original") {
  const files = job.results?.[step]?.files ?? job.files;
  const file = files.find((one) => one.name === `${step}/${name}`);
  // The address stays the same when a step runs again: without the mark the browser would show the old picture.
  return file ? `${file.url}?v=${encodeURIComponent(job.updated)}` : null;
}

const LOW_FROM = 1_500_000; // bytes from which a small file is worth being fetched before the whole one

/** A step's scene for the viewer: its files, and the small one that is seen until a large one has come. */
export function sceneFiles(job, step, more = {}) {
  const files = job.results?.[step]?.files ?? job.files;
  const whole = files.find((one) => one.name === `${step}/scene.glb`);
  const low = (whole?.bytes ?? 0) >= LOW_FROM ? fileUrl(job, "low.glb", step) : null;
  return { name: step, urls: { scene: fileUrl(job, "scene.glb", step), ...more }, low: low ? { scene: low } : null };
}

/** The job with the result of `step` in the place of the present one's. */
export const atStep = (job, step) => ({ ...job, ...job.results?.[step], step });
