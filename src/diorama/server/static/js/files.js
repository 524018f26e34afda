// A job's files by their short names.

/** The address of the job's file, or null while it isn't there. */
export function fileUrl(job, name) {
  const file = job.files.find((one) => one.name === `original/${name}`);
  // The address stays the same when a step runs again: without the mark the browser would show the old picture.
  return file ? `${file.url}?v=${encodeURIComponent(job.updated)}` : null;
}
