// Copies texts and saves files.

import { element } from "./dom.js";

const SHOWN_MS = 2500;

/** Copies a text, and says so in `status`; browsers offer no clipboard over plain HTTP: `node` is then selected. */
export async function copy(button, { text, node, status }) {
  const label = button.firstChild;
  button.dataset.label ??= label.data;
  try {
    await navigator.clipboard.writeText(text);
    label.data = "Copied";
  } catch {
    getSelection().selectAllChildren(node);
    label.data = "Selected; press Ctrl+C";
  }
  status.textContent = label.data;
  setTimeout(() => {
    label.data = button.dataset.label;
    status.textContent = "";
  }, SHOWN_MS);
}

/** Saves a text as a file. */
export function save(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser reads it after this call
}
