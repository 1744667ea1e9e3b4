// Shows a result: progress, transcript, answer, timings, errors.

import { Announcer } from "./announcer.js";
import { $, element, setText } from "./dom.js";
import { clock } from "./format.js";
import { RUNNING, isTranscribed } from "./result.js";
import { timed } from "./subtitles.js";
import { showTimings } from "./timings.js";
import { showTranscript } from "./transcript.js";

const PHASES = ["uploading", "transcribing", "answering", "complete"];
const announcer = new Announcer((text) => $("spoken").append(element("p", { textContent: text })));

/** Shows a message without a result. */
export function showIdle(message) {
  document.body.dataset.state = "idle";
  setText($("status"), message);
  $("elapsed").textContent = "";
  $("spoken").replaceChildren();
  announcer.reset();
  show(null, { playable: false });
}

/** Shows a result, or nothing (null). Called with every event: it changes only what differs. */
export function show(result, { playable }) {
  showTranscript(result?.segments ?? [], { playable, language: transcriptLanguage(result) });
  showAnswer(result);
  showFacts(result);
  showWarnings(result?.warnings ?? []);
  showProblem(result?.problem);
  showTimings(result ?? {});
  showSteps(result);
  if (!result) return;
  document.body.dataset.state = result.state;
  setText($("status"), message(result));
}

/** The code of the language of the transcript; "" until it is known. */
function transcriptLanguage(result) {
  if (!result?.final) return "";
  return result.options?.translate ? "en" : (result.final.language ?? ""); // a translation is in English
}

function showSteps(result) {
  const at = result ? PHASES.indexOf(result.phase) : -1;
  for (const [index, step] of [...$("steps").children].entries()) {
    const current = { running: "active", failed: "failed" }[result?.state] ?? "";
    step.className = index < at ? "done" : index === at ? current : "";
  }
  const uploading = result?.state === RUNNING && result.phase === "uploading";
  $("upload").hidden = !uploading;
  if (uploading) $("upload").value = result.uploaded;
}

/** The state of a result in words, for all readers; it changes seldom enough to be announced. */
function message(result) {
  const { state, phase, waiting, transcription, answer } = result;
  if (state === "done") return "Done.";
  if (state === "cancelled") return "Cancelled.";
  if (state === "failed") return failure(result);
  if (waiting) return starting(waiting);
  if (phase === "uploading") return "Uploading.";
  if (phase === "transcribing") return "Transcribing.";
  if (answer) return "Answering.";
  if (!transcription) return "No speech was detected.";
  return `Transcript complete, ${transcription.split(/\s+/).length} words. Waiting for the answer.`;
}

function failure(result) {
  if (!result.transcription) return "The request failed.";
  if (isTranscribed(result)) return "The transcript is complete, the answer failed.";
  const ends = timed(result.segments).map(({ end }) => end);
  return ends.length ? `The transcript ends at ${clock(Math.max(...ends))}.` : "The transcript is incomplete.";
}

function starting({ stage, left }) {
  const what = stage === "generate" ? "The language model" : "Whisper";
  return left ? `${what} is starting, about ${left} s left.` : `${what} is starting.`;
}

/** Appends to the text of the answer, and announces whole sentences of an answer as it arrives. */
function showAnswer(result) {
  const node = $("answer");
  const text = result?.answer ?? "";
  const before = node.textContent;
  if (text.startsWith(before) && before) {
    node.firstChild.appendData(text.slice(before.length));
  } else if (text !== before) {
    node.textContent = text;
  }
  if (result?.state === RUNNING && text.length > before.length) announcer.push(text.slice(before.length));
  if (result?.state === "done") announcer.flush();
}

function showFacts(result) {
  const { language, audio_seconds: seconds, model } = result?.final ?? {};
  setText($("transcript-facts"), [language, seconds && `${seconds.toFixed(1)} s of audio`].filter(Boolean).join(" · "));
  setText($("answer-facts"), model ?? "");
  $("transcript-tools").hidden = !result?.transcription;
  $("answer-tools").hidden = !result?.answer || result.state === RUNNING;
  const withoutTimes = timed(result?.segments ?? []).length === 0;
  for (const format of ["srt", "vtt"]) document.querySelector(`[data-download=${format}]`).hidden = withoutTimes;
  setNone($("transcript"), result?.transcription === "" && "No speech was detected.", result);
  setNone($("answer"), result?.state === "done" && (result.transcription ? "The answer is empty." : "There was nothing to answer."), result);
}

/** What an empty text shows: `none`, or "None." after a request that ended early. */
function setNone(node, none, result) {
  const early = result && !["running", "done"].includes(result.state);
  const text = none || (early ? "None." : "");
  if (text) node.dataset.none = text;
  else delete node.dataset.none;
}

function showWarnings(warnings) {
  const list = $("warnings");
  const key = JSON.stringify(warnings);
  if (list.dataset.shown === key) return;
  list.dataset.shown = key;
  list.replaceChildren(...warnings.map(({ message }) => element("li", { textContent: message })));
  list.hidden = warnings.length === 0;
}

function showProblem(problem) {
  const { message: text = "", code, requestId } = problem ?? {};
  setText($("problem-text"), text);
  setText($("problem-facts"), [code, requestId && `request ${requestId}`].filter(Boolean).join(" · "));
  $("problem").hidden = !problem;
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
