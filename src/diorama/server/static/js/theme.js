// Light and dark: the system's choice until the button is used.

import { h, icon } from "./dom.js";
import { S } from "./strings.js";

const KEY = "diorama-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

const current = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");

function choose(theme) {
  const system = dark.matches ? "dark" : "light";
  if (theme === system) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === system) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
}

export function themeButton() {
  const button = h("button", {
    type: "button",
    class: "icon-button",
    onclick: () => {
      choose(current() === "dark" ? "light" : "dark");
      show();
    },
  });
  const show = () => {
    const isDark = current() === "dark";
    button.title = isDark ? S.toLight : S.toDark;
    button.setAttribute("aria-label", button.title);
    button.replaceChildren(icon(isDark ? "sun" : "moon"));
  };
  dark.addEventListener("change", show);
  show();
  return button;
}
