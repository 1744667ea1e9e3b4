// The badges at the top: which part of the service is there.

import { readiness } from "./bridge.js";

const NAMES = { bridge: "Bridge", whisper: "Whisper", llm: "Language model" };
const POLL_MS = 2000;

const list = document.getElementById("parts");
const detail = document.getElementById("parts-detail");

/** Shows the parts and asks again while one is missing; calls `whenReady` each time all have become ready. */
export async function watchReadiness(whenReady) {
  let wasReady = false;
  for (;;) {
    const { ready, parts } = await readiness();
    show(parts);
    if (ready && !wasReady) whenReady();
    wasReady = ready;
    await (ready ? pageShownAgain() : delay(POLL_MS));
  }
}

function show(parts) {
  const key = JSON.stringify(parts);
  if (list.dataset.shown === key) return; // a live region: what has not changed is not read again
  list.dataset.shown = key;
  list.replaceChildren(
    ...parts.map(({ name, ready }) => {
      const badge = document.createElement("li");
      badge.className = ready ? "ready" : "missing";
      badge.textContent = `${NAMES[name] ?? name} ${ready ? "ready" : "not ready"}`;
      return badge;
    }),
  );
  const missing = parts.filter((part) => !part.ready && part.detail);
  detail.textContent = missing.map((part) => `${NAMES[part.name] ?? part.name}: ${part.detail}`).join(" · ");
  detail.hidden = missing.length === 0;
}

function delay(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Resolves when somebody returns to the page: time to see whether all is still there. */
function pageShownAgain() {
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", function seen() {
      if (document.visibilityState !== "visible") return;
      document.removeEventListener("visibilitychange", seen);
      resolve();
    });
  });
}
