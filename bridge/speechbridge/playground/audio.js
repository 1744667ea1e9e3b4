// Audio input: the microphone, the file dialog, or drag and drop. One file is loaded at a time.

import { $ } from "./dom.js";
import { bytes, clock } from "./format.js";
import { Meter } from "./meter.js";
import { Recording, whyNoMicrophone, whyNoRecording } from "./recorder.js";

/** Fires `change` when another file is loaded, and `record` when a recording begins; `file` is the loaded file or null. */
export class AudioInput extends EventTarget {
  file = null;
  recorded = false; // whether the file was recorded here
  #starting = false; // while the browser asks for the microphone
  #recording = null;
  #ending = null; // the promise of endRecording()
  #meter = null;
  #timer = 0;

  constructor() {
    super();
    $("file").addEventListener("change", () => {
      if ($("file").files.length) this.#load($("file").files[0]);
    });
    $("record").addEventListener("click", () => (this.#recording ? this.endRecording() : this.#beginRecording()));
    this.#acceptDrops();
    const why = whyNoRecording();
    if (why) {
      $("record").disabled = true;
      $("no-recording").textContent = why;
      $("no-recording").hidden = false;
    }
  }

  async #beginRecording() {
    if (this.#starting) return;
    this.#starting = true;
    this.#showError("");
    try {
      this.#recording = await Recording.begin();
    } catch (error) {
      this.#showError(whyNoMicrophone(error));
      return;
    } finally {
      this.#starting = false;
    }
    const recording = this.#recording;
    recording.stopped.then(() => recording === this.#recording && this.endRecording()); // the microphone was disconnected
    $("record").setAttribute("aria-pressed", "true");
    $("record-text").textContent = "Stop";
    $("recording").hidden = false;
    this.dispatchEvent(new Event("record"));
    this.#meter = new Meter($("meter"), recording);
    this.#timer = setInterval(() => {
      $("recorded-time").textContent = clock(recording.seconds());
    }, 200);
  }

  /** Ends the recording, if there is one, and resolves when it is loaded. */
  endRecording() {
    if (this.#recording) this.#ending = this.#endRecording(this.#recording);
    return this.#ending;
  }

  async #endRecording(recording) {
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
    Object.assign(this, { file, recorded });
    $("file").value = ""; // allows choosing the same file again
    $("file-name").textContent = file.name;
    this.describe(bytes(file.size));
    $("loaded").hidden = false;
    this.dispatchEvent(new Event("change"));
  }

  /** Shows facts about the loaded file. */
  describe(facts) {
    $("file-facts").textContent = facts;
  }

  #showError(message) {
    $("audio-problem").textContent = message;
    $("audio-problem").hidden = !message;
  }
}
