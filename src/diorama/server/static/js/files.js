// A job's files by their short names, and a job as it stands at one of its steps.

/** The address of a step's file, or null while it isn't there. */
export function fileUrl(job, name, step = "original") {
  const files = job.results?.[step]?.files ?? job.files;
  const file = files.find((one) => one.name === `${step}/${name}`);
  // The address stays the same when a step runs again: without the mark the browser would show the old picture.
  return file ? `${file.url}?v=${encodeURIComponent(job.updated)}` : null;
}

/** The job with the result of `step` in the place of the present one's. */
export const atStep = (job, step) => ({ ...job, ...job.results?.[step], step });
