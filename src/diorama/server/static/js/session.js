// What one visit remembers in passing: a chosen photo's preview, to be shown until the server has its own.

const previews = new Map();

export const rememberPreview = (jobId, url) => previews.set(jobId, url);
export const previewOf = (jobId) => previews.get(jobId) ?? null;

export function forgetPreview(jobId) {
  const url = previews.get(jobId);
  if (url?.startsWith("blob:")) URL.revokeObjectURL(url);
  previews.delete(jobId);
}
