// The viewer of a job of this server.

import { fileUrl } from "../files.js";
import { previewOf } from "../session.js";
import { S } from "../strings.js";
import { aboutJob } from "./about.js";
import { MODES, viewerFrame } from "./frame.js";

/** @param scenes [{ name, urls }], the first one shown at first; with several there are buttons to switch */
export function viewerPanel(job, { scenes, modes = MODES }) {
  const photo = fileUrl(job, "photo.jpg");
  const preview = previewOf(job.id);
  return viewerFrame({
    about: aboutJob(job),
    scenes,
    modes,
    pictures: {
      first: preview?.startsWith("blob:") ? preview : photo, // what the browser has already
      backdrop: photo,
      still: fileUrl(job, "thumbnail.jpg", job.step) ?? photo,
    },
    texts: {
      name: job.name.replace(/\.\w+$/, ""),
      label: S.viewer.label,
      noWebgl: S.viewer.noWebgl,
      still: S.viewer.thumbnail,
    },
  });
}
