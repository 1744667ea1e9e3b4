// The transcript, segment by segment.

import { $, element } from "./dom.js";
import { clock } from "./format.js";

const list = $("transcript");
let shown = []; // the segments in the list

/** Shows segments; those that are in the list already are kept as they are. `language` is their code, or "". */
export function showTranscript(segments, { playable, language }) {
  const same = shown.length <= segments.length && shown.every((segment, index) => segment === segments[index]);
  if (!same) list.replaceChildren();
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(...segments.slice(list.children.length).map((segment) => item(segment, playable)));
  if (atEnd && same) list.scrollTop = list.scrollHeight; // follow the text unless the reader has scrolled up
  shown = segments;
  if (language) list.lang = language;
  else list.removeAttribute("lang");
}

function item({ text, start, end }, playable) {
  const node = element("li", {}, element("span", { className: "words", dir: "auto", textContent: text.trim() }));
  if (!Number.isFinite(start)) return node;
  node.dataset.start = start;
  node.dataset.end = end ?? "";
  const time = playable
    ? element("button", { type: "button", className: "time", ariaLabel: `Play from ${clock(start)}` })
    : element("span", { className: "time" });
  time.textContent = clock(start);
  node.prepend(time);
  return node;
}

/** The words without their times. */
export function transcriptText() {
  return [...list.querySelectorAll(".words")].map((words) => words.textContent).join(" ");
}

/** Marks the segment at a time, and scrolls it into the visible part of the list. */
export function markPlaying(seconds) {
  for (const node of list.children) {
    const { start, end } = node.dataset;
    const playing = start !== undefined && seconds >= Number(start) && (end === "" || seconds < Number(end));
    if (playing === node.hasAttribute("aria-current")) continue;
    node.toggleAttribute("aria-current", playing);
    if (playing) node.setAttribute("aria-current", "true");
    const above = node.offsetTop < list.scrollTop;
    const below = node.offsetTop + node.offsetHeight > list.scrollTop + list.clientHeight;
    if (playing && (above || below)) list.scrollTop = node.offsetTop - list.clientHeight / 3;
  }
}

/** Calls `play` with the seconds of the time that is clicked. */
export function connectTranscript(play) {
  list.addEventListener("click", ({ target }) => {
    if (target.matches("button.time")) play(Number(target.parentElement.dataset.start));
  });
}
