// The result: progress, transcript, answer, timings, errors.

import { clock, duration, transcriptionSpeed } from "./format.js";

const $ = (id) => document.getElementById(id);
const STEPS = ["upload", "transcribe", "answer"];

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function show(node, visible) {
  node.hidden = !visible;
}

/** Sets the state of the page: idle, running, done, failed or cancelled; screen readers announce `message`. */
export function setState(state, message) {
  document.body.dataset.state = state;
  $("status").textContent = message;
  const busy = String(state === "running");
  $("transcript").ariaBusy = busy; // announced once, when complete
  $("answer").ariaBusy = busy;
}

/** Marks the active steps; upload and transcription overlap, since the bridge streams the upload to Whisper. */
export function setSteps(...active) {
  const first = STEPS.indexOf(active[0]);
  for (const item of $("steps").children) {
    const at = STEPS.indexOf(item.dataset.step);
    item.className = active.includes(item.dataset.step) ? "active" : first >= 0 && at < first ? "done" : "";
  }
}

/** Marks the active steps as failed, or as not active if the request was cancelled. */
export function stopSteps(failed) {
  for (const item of $("steps").querySelectorAll(".active")) item.className = failed ? "failed" : "";
  for (const id of ["transcript", "answer"]) $(id).dataset.none ??= "None.";
}

export function setAllStepsDone() {
  for (const item of $("steps").children) item.className = "done";
}

/** Shows the elapsed seconds; the returned function stops the clock. */
export function startClock() {
  const startedAt = performance.now();
  const tick = () => {
    $("elapsed").textContent = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  };
  tick();
  const timer = setInterval(tick, 100);
  return () => clearInterval(timer);
}

export function clear() {
  for (const id of ["transcript", "answer", "bar", "figures", "warnings"]) $(id).replaceChildren();
  for (const id of ["elapsed", "transcript-facts", "answer-facts"]) $(id).textContent = "";
  for (const id of ["problem", "warnings", "timings"]) show($(id), false);
  for (const id of ["transcript", "answer"]) delete $(id).dataset.none;
  showCopyButtons();
  setSteps();
}

/** Shows the copy buttons of texts that are not empty. */
export function showCopyButtons() {
  for (const id of ["transcript", "answer"]) {
    show(document.querySelector(`[data-copy=${id}]`), $(id).textContent !== "");
  }
}

/** The text that a copy button copies: the words without their timestamps. */
export function copyText(id) {
  if (id !== "transcript") return $(id).textContent;
  return [...$("transcript").querySelectorAll(".words")].map((words) => words.textContent).join(" ");
}

export function addSegment({ text, start, end }) {
  const item = element("li", {}, element("span", { className: "words", textContent: text.trim() }));
  if (typeof start === "number") {
    item.dataset.start = start;
    item.dataset.end = end ?? "";
    const label = `Play from ${clock(start)}`;
    item.prepend(element("button", { type: "button", className: "time", ariaLabel: label, textContent: clock(start) }));
  }
  $("transcript").append(item);
}

/** Replaces the segments if the final text differs from them. */
export function finishTranscript({ text, language, audio_seconds: audioSeconds }) {
  const squeeze = (words) => words.replace(/\s+/g, "");
  if (squeeze(copyText("transcript")) !== squeeze(text)) {
    $("transcript").replaceChildren();
    if (text.trim()) addSegment({ text });
  }
  if (!text.trim()) $("transcript").dataset.none = "No speech was detected.";
  const facts = [language, audioSeconds && `${audioSeconds.toFixed(1)} s of audio`];
  $("transcript-facts").textContent = facts.filter(Boolean).join(" · ");
  showCopyButtons();
}

export function addAnswer(text) {
  const answer = $("answer");
  if (answer.firstChild) answer.firstChild.appendData(text);
  else answer.append(new Text(text.trimStart()));
}

/** Marks the segment that is being played. */
export function markPlaying(seconds) {
  for (const item of $("transcript").children) {
    const { start, end } = item.dataset;
    const playing = start !== undefined && seconds >= Number(start) && (end === "" || seconds < Number(end));
    if (playing) item.setAttribute("aria-current", "true");
    else item.removeAttribute("aria-current");
  }
}

/** Adds new warnings; the same ones arrive with the transcript and with the complete answer. */
export function addWarnings(warnings = []) {
  const list = $("warnings");
  for (const { code, message } of warnings) {
    if ([...list.children].some((item) => item.dataset.code === code)) continue;
    const item = element("li", { textContent: message });
    item.dataset.code = code;
    list.append(item);
  }
  show(list, list.children.length > 0);
}

export function showProblem(message, { code, requestId } = {}) {
  $("problem-text").textContent = message;
  $("problem-facts").textContent = [code, requestId && `request ${requestId}`].filter(Boolean).join(" · ");
  show($("problem"), true);
}

export function showTimings({ timings = {}, audio_seconds: audioSeconds }) {
  const stages = [
    ["queue", timings.queue_ms],
    ["transcribe", timings.transcribe_ms],
    ["generate", timings.generate_ms],
  ];
  const bars = stages.filter(([, ms]) => ms > 0).map(([name, ms]) => {
    const bar = element("span", { className: name });
    bar.style.flexGrow = ms;
    return bar;
  });
  $("bar").replaceChildren(...bars);

  const figures = [
    ["Queue", duration(timings.queue_ms), "queue", "waiting for admission and pods"],
    ["Transcribe", duration(timings.transcribe_ms), "transcribe", "audio to text"],
    ["First token", duration(timings.first_token_ms), "", "since the start of the request"],
    ["Generate", duration(timings.generate_ms), "generate", "from the transcript to the last token"],
    ["Total", duration(timings.total_ms), "", "the whole request"],
    ["Speed", transcriptionSpeed(audioSeconds, timings.transcribe_ms), "", "audio duration / transcription time"],
  ];
  $("figures").replaceChildren(
    ...figures.map(([name, value, colour, meaning]) =>
      element(
        "div",
        {},
        element("dt", { textContent: name, className: colour }),
        element("dd", { textContent: value }),
        element("dd", { className: "hint", textContent: meaning }),
      ),
    ),
  );
  show($("timings"), true);
}
