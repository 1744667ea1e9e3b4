// The playground: connects the form, the bridge, the result and the history.

import { AudioInput } from "./audio.js";
import { Problem, processAudio } from "./bridge.js";
import { copy, save } from "./copying.js";
import { $ } from "./dom.js";
import { askForKey, connectForm, loadModels, options, setBusy } from "./form.js";
import { HistoryPanel } from "./history_panel.js";
import { watchReadiness } from "./readiness.js";
import { RecordingCard } from "./recording_card.js";
import { apply, begun, cancelled, ended, failed } from "./result.js";
import { show, showIdle, startClock } from "./results.js";
import { showSnippet } from "./snippet_panel.js";
import { json, plainText, srt, vtt } from "./subtitles.js";
import { connectTheme } from "./theme.js";
import { connectTranscript, markPlaying, transcriptText } from "./transcript.js";

const DOWNLOADS = {
  txt: plainText,
  srt: ({ segments }) => srt(segments),
  vtt: ({ segments }) => vtt(segments),
  json,
};

const audio = new AudioInput();
const card = new RecordingCard((facts) => audio.describe(facts));
const history = new HistoryPanel(openPast);
let result = null; // shown
let running = null; // the AbortController of the current request

function update(next) {
  result = next;
  show(result, { playable: card.playable });
  card.show(result);
}

async function run() {
  if (running) return;
  running = new AbortController(); // before the first await: a second call returns
  try {
    await audio.endRecording();
    if (!audio.file) askForAudio();
    else if (!running.signal.aborted) await request();
  } finally {
    running = null;
  }
}

function askForAudio() {
  showIdle("Record audio or choose a file first.");
  ($("record").disabled ? $("file") : $("record")).focus();
}

/** Sends the loaded file and shows what the bridge answers. */
async function request() {
  setBusy(true);
  $("retry").hidden = false;
  reveal($("results"));
  showIdle("");
  card.load(audio.file, audio);
  update(begun({ name: audio.file.name, options: options(), at: new Date().toISOString() }));
  const stopClock = startClock();
  try {
    await follow(running.signal);
    update(ended(result));
  } catch (error) {
    fail(error);
  } finally {
    stopClock();
    setBusy(false);
  }
  if (result.state !== "cancelled") history.add(result);
}

/** Shows the events of the bridge as they arrive. */
async function follow(signal) {
  const startedAt = performance.now();
  const onUpload = (share) => {
    update(apply(result, { name: "upload", data: { share, elapsedMs: performance.now() - startedAt } }));
  };
  for await (const event of processAudio(audio.file, result.options, { signal, onUpload })) {
    update(apply(result, event));
  }
}

function fail(error) {
  if (error.name === "AbortError") return update(cancelled(result));
  if (!(error instanceof Problem)) console.error(error); // a bug in this page: keep the stack trace
  if (error.code === "invalid_api_key") askForKey();
  update(failed(result, error));
}

/** Shows a result of the history, without its audio. */
function openPast(past) {
  if (running) return;
  card.load(null);
  showIdle("");
  update(past);
  $("retry").hidden = true;
  reveal($("results"));
}

function reveal(section) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const narrow = matchMedia("(max-width: 900px)").matches; // the result is below the form
  section.scrollIntoView({ block: narrow ? "start" : "nearest", behavior: calm ? "auto" : "smooth" });
}

function refreshSnippet() {
  showSnippet(options(), audio.file?.name);
}

function download(format) {
  const stem = result.name.replace(/\.[^.]+$/, "");
  save(`${stem}.${format}`, DOWNLOADS[format](result));
}

audio.addEventListener("change", () => {
  card.load(audio.file, audio);
  card.show(null);
  result = null;
  showIdle("Ready.");
  refreshSnippet();
});
audio.addEventListener("record", () => card.pause());
card.addEventListener("time", () => markPlaying(card.time));
connectTranscript((seconds) => card.playFrom(seconds));

$("request").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
$("request").addEventListener("input", refreshSnippet);
$("cancel").addEventListener("click", () => running?.abort());
$("cancel").addEventListener("keydown", (event) => {
  if (event.repeat) event.preventDefault(); // of the Enter that sent the request, since when the focus is here
});
$("retry").addEventListener("click", run);
document.addEventListener("keydown", (event) => {
  if ($("confirm").open) return; // Esc closes the dialog
  if (event.key === "Escape") running?.abort();
  if (event.key === "Enter" && !event.repeat && (event.ctrlKey || event.metaKey)) run();
});
document.addEventListener("click", ({ target }) => {
  const { copy: id, download: format } = target.dataset;
  if (id) {
    const text = id === "transcript" ? transcriptText() : $(id).textContent;
    copy(target, { text, node: $(id), status: $("copied") });
  }
  if (format) download(format);
});

connectTheme();
connectForm(refreshSnippet);
refreshSnippet();
loadModels().then(refreshSnippet);
watchReadiness(() => loadModels().then(refreshSnippet));
