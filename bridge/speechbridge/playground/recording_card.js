// The recording with its waveform: what was transcribed, and what was not.

import { $, element, setText } from "./dom.js";
import { bytes, clock, tenths } from "./format.js";
import { Player } from "./player.js";
import { isTranscribed } from "./result.js";
import { explanation, stretches, total } from "./stretches.js";
import { Waveform } from "./waveform.js";

const LEGEND = {
  transcribed: "Transcribed",
  doubtful: "Doubtful",
  skipped: "Skipped, no speech",
  gaps: "No audio data",
};

/** Fires `time` while the recording plays. */
export class RecordingCard extends EventTarget {
  #player = new Player($("player"));
  #waveform = new Waveform($("waveform"), (seconds) => this.playFrom(seconds));
  #file = null;
  #result = null;
  #shown = "";

  /** `describe` gets facts about a loaded file. */
  constructor(describe) {
    super();
    this.#player.addEventListener("ready", () => {
      describe(`${bytes(this.#file.size)} · ${clock(this.#player.seconds)}`);
      this.#waveform.load(this.#file, this.#player.seconds);
      this.show(this.#result);
    });
    this.#player.addEventListener("unplayable", () => {
      describe(`${bytes(this.#file.size)} · this browser cannot play it; the service may still decode it`);
      this.show(this.#result);
    });
    this.#player.addEventListener("time", () => {
      this.#waveform.show({ time: this.#player.time });
      this.dispatchEvent(new Event("time"));
    });
    $("marks").addEventListener("click", ({ target }) => {
      if (target.dataset.start) this.playFrom(Number(target.dataset.start));
    });
  }

  get time() {
    return this.#player.time;
  }

  get playable() {
    return this.#file !== null && this.#player.playable;
  }

  /** Loads a file; null: none, as for a result of the history. */
  load(file, { recorded = false } = {}) {
    if (file !== null && file === this.#file) return;
    this.#file = file;
    const url = this.#player.load(file);
    Object.assign($("save"), { href: url, download: file?.name ?? "", hidden: !recorded });
    this.#waveform.load(null, 0);
    $("recording-card").hidden = !this.playable;
  }

  playFrom(seconds) {
    this.#player.playFrom(seconds);
  }

  pause() {
    this.#player.pause();
  }

  /** Marks the stretches of a result; null: none. */
  show(result) {
    this.#result = result;
    const coverage = result?.final?.coverage;
    const seconds = this.#player.seconds || result?.final?.audio_seconds || result?.segments.at(-1)?.end || 0;
    const complete = result !== null && isTranscribed(result);
    const marks = stretches({ segments: result?.segments ?? [], coverage, seconds, complete });
    this.#waveform.show({ seconds, marks });
    const key = JSON.stringify([marks, seconds, this.playable]);
    $("recording-card").hidden = !this.playable && seconds === 0; // what cannot be played has marks once its length is known
    if (key === this.#shown) return;
    this.#shown = key;
    describe(marks, { seconds, playable: this.playable });
  }
}

function describe(marks, { seconds, playable }) {
  const present = Object.entries(LEGEND).filter(([kind]) => marks[kind].length > 0);
  const parts = present.map(([kind, name]) => `${name.toLowerCase()}: ${duration(total(marks[kind]))}`);
  $("waveform").setAttribute("aria-label", `Waveform, ${duration(seconds)}. ${parts.join("; ")}`);
  setText($("recording-facts"), seconds ? clock(seconds) : "");
  $("legend").replaceChildren(
    ...present.map(([kind, name]) =>
      element("li", { className: kind }, `${name} `, element("span", { className: "hint", textContent: duration(total(marks[kind])) })),
    ),
  );
  const listed = [...marks.doubtful, ...marks.gaps].sort((one, other) => one.start - other.start);
  $("marks").replaceChildren(...listed.map((stretch) => mark(stretch, playable)));
  $("marks").hidden = listed.length === 0;
}

function mark(stretch, playable) {
  const times = `${tenths(stretch.start)}–${tenths(stretch.end)}`;
  const time = playable
    ? element("button", { type: "button", className: "time", ariaLabel: `Play ${times}` })
    : element("span", { className: "time" });
  time.textContent = times;
  time.dataset.start = stretch.start;
  return element("li", {}, time, ` ${explanation(stretch)}`);
}

function duration(seconds) {
  return seconds < 60 ? `${seconds.toFixed(1)} s` : clock(seconds);
}
