// The place in the page is the address: / or /jobs/<id>?step=<step>.

export const STEPS = ["upload", "original", "enhanced", "final"];

let listener = () => {};

export function place() {
  const jobId = /^\/jobs\/([\w-]+)\/?$/.exec(location.pathname)?.[1] ?? null;
  const step = new URLSearchParams(location.search).get("step");
  return {
    jobId,
    step: STEPS.includes(step) ? step : null,
    known: jobId !== null || location.pathname === "/",
  };
}

export const jobUrl = (id, step = null) => `/jobs/${encodeURIComponent(id)}${step ? `?step=${step}` : ""}`;

/** @param onChange is called after every change of the address, with whether it was a move through the history */
export function start(onChange) {
  listener = onChange;
  history.scrollRestoration = "manual";
  addEventListener("popstate", (event) => listener({ back: true, scroll: event.state?.scroll ?? 0 }));
  addEventListener("scrollend", remember);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.pathname !== "/" && !link.pathname.startsWith("/jobs/")) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}

export function go(url, { replace = false } = {}) {
  remember();
  if (replace || url === location.pathname + location.search) history.replaceState({ scroll: 0 }, "", url);
  else history.pushState({ scroll: 0 }, "", url);
  listener({ back: false, scroll: 0 });
}

function remember() {
  history.replaceState({ scroll: scrollY }, "");
}
