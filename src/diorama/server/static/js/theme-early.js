// Runs before the first paint, so that a chosen theme doesn't flash. A classic script: modules run too late for that.
(() => {
  try {
    const chosen = localStorage.getItem("diorama-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden: the system's scheme stands.
  }
})();
