// Light, dark, or as the system prefers. Blocks rendering, so that the page does not flash in the other theme.

import { local } from "./storage.js";

const KEY = "speech-theme";
const root = document.documentElement;

function apply(theme) {
  root.dataset.theme = theme;
  root.dispatchEvent(new Event("themechange")); // canvases are redrawn
}

apply(local.getItem(KEY) ?? "auto");
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(root.dataset.theme));

/** Connects the radio buttons named `theme`. */
export function connectTheme() {
  for (const choice of document.querySelectorAll("input[name=theme]")) {
    choice.checked = choice.value === root.dataset.theme;
    choice.addEventListener("change", () => {
      apply(choice.value);
      local.setItem(KEY, choice.value);
    });
  }
}
