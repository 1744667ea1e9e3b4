// Audio input: the microphone, the file dialog, or drag and drop. One file is loaded at a time.

import { bytes, clock } from "./format.js";
import { Meter, Recording, whyNoMicrophone, whyNoRecording } from "./recorder.js";

const $ = (id) => document.getElementById(id);

/** Fires `change` when another file is loaded; `file` is the loaded file or null. */
export class AudioInput extends EventTarget {
  file = null;
  #recording = null;
  #meter = null;
  #timer = 0;

  constructor() {
    super();
    $("file").addEventListener("change", () => {
      if ($("file").files.length) this.#load($("file").files[0]);
    });
    $("record").addEventListener("click", () => (this.#recording ? this.endRecording() : this.#beginRecording()));
    $("player").addEventListener("loadedmetadata", () => this.#showDuration());
    $("player").addEventListener("durationchange", () => this.#showDuration());
    $("player").addEventListener("error", () => this.#showUnplayable());
    this.#acceptDrops();
    const why = whyNoRecording();
    if (why) {
      $("record").disabled = true;
      $("no-recording").textContent = why;
      $("no-recording").hidden = false;
    }
  }

  get recording() {
    return this.#recording !== null;
  }

  async #beginRecording() {
    this.#showError("");
    try {
      this.#recording = await Recording.begin();
    } catch (error) {
      this.#showError(whyNoMicrophone(error));
      return;
    }
    $("record").setAttribute("aria-pressed", "true");
    $("record-text").textContent = "Stop";
    $("recording").hidden = false;
    $("player").pause();
    this.#meter = new Meter($("meter"), this.#recording);
    this.#timer = setInterval(() => {
      $("recorded-time").textContent = clock(this.#recording.seconds());
    }, 200);
  }

  /** Ends the recording and loads it. */
  async endRecording() {
    const recording = this.#recording;
    if (!recording) return;
    this.#recording = null;
    clearInterval(this.#timer);
    this.#meter.stop();
    $("record").removeAttribute("aria-pressed");
    $("record-text").textContent = "Record";
    $("recording").hidden = true;
    $("recorded-time").textContent = clock(0);
    this.#load(await recording.end(), { recorded: true });
  }

  #acceptDrops() {
    let depth = 0; // dragenter and dragleave fire for every element crossed
    const accepts = (event) => event.dataTransfer?.types.includes("Files") && !$("inputs").disabled;
    const mark = (change) => {
      depth = Math.max(0, change);
      document.body.classList.toggle("dropping", depth > 0);
    };
    window.addEventListener("dragenter", (event) => accepts(event) && mark(depth + 1));
    window.addEventListener("dragleave", (event) => accepts(event) && mark(depth - 1));
    window.addEventListener("dragover", (event) => {
      event.preventDefault(); // otherwise the browser navigates to the file
      event.dataTransfer.dropEffect = accepts(event) ? "copy" : "none";
    });
    window.addEventListener("drop", (event) => {
      event.preventDefault();
      mark(0);
      if (accepts(event)) this.#loadDropped([...event.dataTransfer.items]);
    });
  }

  #loadDropped(items) {
    const entry = items[0]?.webkitGetAsEntry?.();
    if (entry?.isDirectory) return this.#showError("This is a folder. Drop one audio file.");
    const file = items[0]?.getAsFile();
    if (!file) return this.#showError("This is not a file.");
    this.#load(file);
    if (items.length > 1) this.#showError(`Only one file can be loaded: ${file.name}.`);
  }

  #load(file, { recorded = false } = {}) {
    this.#showError("");
    this.file = file;
    $("file").value = ""; // allows choosing the same file again
    URL.revokeObjectURL($("player").src);
    const url = URL.createObjectURL(file);
    $("player").src = url;
    $("player").hidden = false;
    Object.assign($("save"), { href: url, download: file.name, hidden: !recorded });
    $("file-name").textContent = file.name;
    $("file-facts").textContent = bytes(file.size);
    $("loaded").hidden = false;
    this.dispatchEvent(new Event("change"));
  }

  #showDuration() {
    const { duration } = $("player");
    if (duration === Infinity) {
      $("player").currentTime = 1e9; // recordings have no duration in their container; seeking to the end finds it
      $("player").addEventListener("seeked", () => ($("player").currentTime = 0), { once: true });
    } else if (duration > 0) {
      $("file-facts").textContent = `${bytes(this.file.size)} · ${clock(duration)}`;
    }
  }

  #showUnplayable() {
    $("player").hidden = true;
    $("file-facts").textContent = `${bytes(this.file.size)} · this browser cannot play it; the service may still decode it`;
  }

  #showError(message) {
    $("audio-problem").textContent = message;
    $("audio-problem").hidden = !message;
  }
}
