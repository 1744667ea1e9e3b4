// The badges at the top: the readiness of each component.

import { readiness } from "./bridge.js";

const NAMES = { bridge: "Bridge", whisper: "Whisper", llm: "Language model" };
const POLL_MS = 2000;

const list = document.getElementById("components");
const detail = document.getElementById("components-detail");

/** Shows the components and polls while one is not ready; calls `whenReady` whenever all have become ready. */
export async function watchReadiness(whenReady) {
  let wasReady = false;
  for (;;) {
    const { ready, components } = await readiness();
    show(components);
    if (ready && !wasReady) whenReady();
    wasReady = ready;
    await (ready ? pageShownAgain() : delay(POLL_MS));
  }
}

function show(components) {
  const key = JSON.stringify(components);
  if (list.dataset.shown === key) return; // a live region: unchanged text must not be announced again
  list.dataset.shown = key;
  list.replaceChildren(
    ...components.map(({ name, ready }) => {
      const badge = document.createElement("li");
      badge.className = ready ? "ready" : "not-ready";
      badge.textContent = `${NAMES[name] ?? name} ${ready ? "ready" : "not ready"}`;
      return badge;
    }),
  );
  const notReady = components.filter((component) => !component.ready && component.detail);
  detail.textContent = notReady.map(({ name, detail }) => `${NAMES[name] ?? name}: ${detail}`).join(" · ");
  detail.hidden = notReady.length === 0;
}

function delay(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Resolves when the page becomes visible again. */
function pageShownAgain() {
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", function seen() {
      if (document.visibilityState !== "visible") return;
      document.removeEventListener("visibilitychange", seen);
      resolve();
    });
  });
}
