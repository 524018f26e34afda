// Starts the page: shows the view that the address asks for, and again whenever the address changes.

import { missingView } from "./missing.js";
import { place, start } from "./router.js";
import { buildShell } from "./shell.js";
import { startView } from "./start.js";

const main = buildShell();
let view = null;
let jobs = null; // the module of everything but the start page, which comes after it

const needJobs = async () => {
  jobs ??= await import("./job.js");
};

async function show({ back, scroll, first = false }) {
  const { jobId, step, known } = place();
  if (jobId !== null && !jobs) {
    await needJobs();
    if (place().jobId !== jobId) return; // somebody was faster
  }
  if (view?.jobId === jobId && view.setStep) {
    view.setStep(step);
  } else {
    view?.destroy();
    if (!known) view = missingView();
    else view = jobId === null ? startView() : jobs.jobView(jobId, step);
    main.replaceChildren(view.element);
  }
  if (first) return;
  // Keyboards and screen readers go on at the new content; its heading is what they should hear.
  const heading = main.querySelector("h1");
  (heading ?? main).focus({ preventScroll: true });
  scrollTo({ top: back ? scroll : 0, behavior: "instant" });
}

start(show);
void show({ back: false, scroll: 0, first: true }).then(async () => {
  await needJobs();
  const { phoneButton } = await import("./phone.js");
  await phoneButton(document.querySelector(".site-tools"));
});
