// The playground: connects the form, the bridge and the result.

import { AudioInput } from "./audio.js";
import { Problem, apiKey, curlCommand, languageModels, processAudio } from "./bridge.js";
import { languages } from "./languages.js";
import { watchReadiness } from "./readiness.js";
import * as results from "./results.js";

const $ = (id) => document.getElementById(id);
const audio = new AudioInput();
let running = null; // the AbortController of the current request

function request() {
  const { value: prompt } = $("prompt");
  return { file: audio.file, prompt, model: $("model").value, language: $("language").value };
}

function showCurl() {
  $("curl").textContent = curlCommand(request());
}

async function run() {
  if (running) return;
  if (audio.recording) await audio.endRecording();
  if (!audio.file) {
    results.setState("idle", "Record audio or choose a file first.");
    $("record").disabled ? $("file").focus() : $("record").focus();
    return;
  }
  running = new AbortController();
  setBusy(true);
  results.clear();
  const stopClock = results.startClock();
  try {
    await follow(processAudio(request(), running.signal));
  } catch (error) {
    fail(error);
  } finally {
    stopClock();
    running = null;
    setBusy(false);
    results.showCopyButtons();
  }
}

/** Shows the events of the bridge as they arrive. */
async function follow(events) {
  results.setSteps("upload", "transcribe");
  results.setState("running", "Uploading and transcribing.");
  let requestId = "";
  let starting = false;
  let failure = null; // in the stage generate, response.done still follows with the transcription
  for await (const { name, data } of events) {
    if (name === "open") {
      ({ requestId } = data);
    } else if (name === "status") {
      const left = data.loading?.eta_seconds;
      results.setState("running", left ? `The service is starting, about ${left} s left.` : "The service is starting.");
      starting = true;
    } else if (name === "transcript.delta") {
      if (!$("transcript").firstChild) {
        results.setSteps("transcribe");
        results.setState("running", "Transcribing.");
      }
      results.addSegment(data);
    } else if (name === "transcript.done") {
      results.finishTranscript(data);
      results.addWarnings(data.warnings);
      results.setSteps("answer");
      results.setState("running", "Answering.");
      starting = false;
    } else if (name === "response.delta") {
      if (starting) results.setState("running", "Answering.");
      starting = false;
      results.addAnswer(data.text);
    } else if (name === "error") {
      failure = new Problem(data.message, { code: data.code, requestId });
    } else if (name === "response.done") {
      failure ??= data.error ? new Problem(data.error.message, { code: data.error.code, requestId }) : null;
      finish(data);
    }
  }
  if (failure) throw failure;
  results.setAllStepsDone();
  results.setState("done", "Done.");
}

function finish(answer) {
  if (!answer.error && $("answer").textContent === "") results.addAnswer(answer.response);
  if (!answer.error && answer.response.trim() === "") $("answer").dataset.none = "The answer is empty.";
  $("answer-facts").textContent = answer.model ?? "";
  results.addWarnings(answer.warnings);
  if (answer.finish_reason === "length") {
    results.addWarnings([{ code: "length", message: "The answer was truncated at the token limit of the model." }]);
  }
  results.showTimings(answer);
}

function fail(error) {
  results.stopSteps(error.name !== "AbortError");
  if (error.name === "AbortError") {
    results.setState("cancelled", "Cancelled.");
    return;
  }
  if (!(error instanceof Problem)) console.error(error); // a bug in this page: keep the stack trace
  if (error.code === "invalid_api_key") askForKey();
  results.showProblem(error.message, error);
  results.setState("failed", "The request failed.");
}

function setBusy(busy) {
  $("inputs").disabled = busy;
  $("run").disabled = busy;
  $("keys").hidden = busy;
  $("cancel").hidden = !busy;
  if (busy) {
    $("cancel").focus({ preventScroll: true });
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const narrow = matchMedia("(max-width: 900px)").matches; // the result is below the form
    $("results").scrollIntoView({ block: narrow ? "start" : "nearest", behavior: calm ? "auto" : "smooth" });
  } else {
    $("run").focus({ preventScroll: true });
  }
}

function options(select, entries) {
  const { value } = select;
  select.replaceChildren(...entries.map(([key, text]) => new Option(text, key)));
  if (entries.some(([key]) => key === value)) select.value = value;
}

async function loadModels() {
  const names = await languageModels();
  if (names === null) askForKey();
  if (names?.length) options($("model"), names.map((name) => [name, name]));
  showCurl();
}

/** Shows the field for the API key, which is hidden until the service requires one. */
function askForKey() {
  if (!$("key-field").hidden) return; // do not overwrite what is being typed
  $("key-field").hidden = false;
  $("api-key").value = apiKey.get();
}

async function copy(event) {
  const { copy: id } = event.target.dataset;
  if (!id) return;
  const text = results.copyText(id);
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    event.target.textContent = "Copied";
  } else {
    getSelection().selectAllChildren($(id)); // browsers offer no clipboard over plain HTTP
    event.target.textContent = "Selected; press Ctrl+C";
  }
  setTimeout(() => (event.target.textContent = "Copy"), 2500);
}

audio.addEventListener("change", () => {
  results.clear();
  results.setState("idle", "Ready.");
  showCurl();
});
$("request").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
$("request").addEventListener("input", showCurl);
$("api-key").addEventListener("change", () => {
  apiKey.set($("api-key").value);
  loadModels();
});
$("cancel").addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
});
document.addEventListener("click", copy);
$("transcript").addEventListener("click", (event) => {
  if (!event.target.matches(".time")) return;
  $("player").currentTime = Number(event.target.parentElement.dataset.start);
  $("player").play();
});
$("player").addEventListener("timeupdate", () => results.markPlaying($("player").currentTime));

if (/Mac|iPhone|iPad/.test(navigator.userAgent)) $("keys").querySelector("kbd").textContent = "⌘";
options($("language"), [["", "Detect"], ...languages()]);
showCurl();
loadModels();
watchReadiness(loadModels);
