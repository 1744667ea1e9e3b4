// Draws a recording: its outline, what was transcribed, and what is doubtful, skipped or without data.

import { decodable, peaks } from "./peaks.js";

const BAR = 3; // CSS pixels, a gap of the same colour as the background included
const GAP = 1;
const RATE = 8000; // Hz, enough for an outline
const PLAIN = 0.3; // height of the bars if the recording is not decoded

/** The samples of an audio file, a Float32Array for each channel; null if it is too large or cannot be decoded. */
async function decoded(file, seconds) {
  if (!decodable({ seconds, bytes: file.size })) return null;
  try {
    const audio = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
    return Array.from({ length: audio.numberOfChannels }, (_, channel) => audio.getChannelData(channel));
  } catch {
    return null; // the service decodes more formats than browsers do
  }
}

export class Waveform {
  #canvas;
  #channels = null;
  #outline = null;
  #loads = 0;
  #colours = null;
  #view = { seconds: 0, time: 0, marks: { transcribed: [], doubtful: [], gaps: [], skipped: [] } };

  /** `seek` is called with the seconds at which the waveform is clicked. */
  constructor(canvas, seek) {
    this.#canvas = canvas;
    canvas.addEventListener("click", ({ offsetX }) => seek((offsetX / canvas.clientWidth) * this.#view.seconds));
    document.documentElement.addEventListener("themechange", () => {
      this.#colours = null;
      this.#draw();
    });
    new ResizeObserver(() => this.#resize()).observe(canvas);
  }

  /** Draws the outline of `file`, once it is decoded; null: a plain timeline. */
  async load(file, seconds) {
    const load = ++this.#loads;
    this.#channels = this.#outline = null;
    this.show({ seconds, time: 0 });
    const channels = file && (await decoded(file, seconds));
    if (load !== this.#loads || !channels) return; // another file was loaded meanwhile
    this.#channels = channels;
    this.#resize();
  }

  /** Changes what is shown: `seconds` (length), `time` (of the playhead), `marks` (see stretches.js). */
  show(change) {
    Object.assign(this.#view, change);
    this.#draw();
  }

  #resize() {
    const { clientWidth, clientHeight } = this.#canvas;
    if (clientWidth === 0) return; // hidden
    this.#canvas.width = clientWidth * devicePixelRatio;
    this.#canvas.height = clientHeight * devicePixelRatio;
    this.#outline = this.#channels && peaks(this.#channels, this.#bars());
    this.#draw();
  }

  #bars() {
    return Math.max(1, Math.floor(this.#canvas.clientWidth / BAR));
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const { seconds, time, marks } = this.#view;
    const pen = this.#canvas.getContext("2d");
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (width === 0 || seconds <= 0) return;
    this.#colours ??= colours(this.#canvas);
    const x = (at) => (at / seconds) * width;
    const area = (list, fill) =>
      list.forEach(({ start, end }) => fill(x(start), Math.max(2, x(Math.min(end, seconds)) - x(start))));
    area(marks.skipped, (left, long) => this.#fill(pen, this.#colours.skipped, left, long, height));
    area(marks.gaps, (left, long) => this.#fill(pen, this.#colours.gap, left, long, height));
    area(marks.doubtful, (left, long) => this.#hatch(pen, left, long, height));
    this.#drawBars(pen, height, seconds, marks);
    if (time > 0) this.#fill(pen, this.#colours.ink, x(time) - 1, 2, height);
  }

  #drawBars(pen, height, seconds, { transcribed, doubtful }) {
    const count = this.#bars();
    const within = (list, at) => list.some(({ start, end }) => at >= start && at < end);
    for (let bar = 0; bar < count; bar++) {
      const at = ((bar + 0.5) / count) * seconds;
      const level = this.#outline?.[bar] ?? PLAIN;
      const tall = Math.max(2, level * (height - 12));
      const colour = within(doubtful, at) ? "doubtful" : within(transcribed, at) ? "transcribed" : "plain";
      pen.fillStyle = this.#colours[colour];
      pen.fillRect(bar * BAR, (height - tall) / 2, BAR - GAP, tall);
    }
  }

  #fill(pen, colour, left, long, height) {
    pen.fillStyle = colour;
    pen.fillRect(left, 0, long, height);
  }

  /** Diagonal lines: doubt is not shown by colour alone. */
  #hatch(pen, left, long, height) {
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, long, height);
    pen.clip();
    this.#fill(pen, this.#colours["doubtful-tint"], left, long, height);
    pen.strokeStyle = this.#colours.doubtful;
    pen.globalAlpha = 0.5;
    pen.beginPath();
    for (let at = left - height; at < left + long; at += 7) {
      pen.moveTo(at, height);
      pen.lineTo(at + height, 0);
    }
    pen.stroke();
    pen.restore();
  }
}

/** The colours of the style sheet in the current theme. */
function colours(canvas) {
  const names = ["ink", "plain", "transcribed", "doubtful", "doubtful-tint", "skipped", "gap"];
  const resolved = names.map((name) => {
    canvas.style.color = `var(--wave-${name})`; // getPropertyValue() does not resolve light-dark()
    return [name, getComputedStyle(canvas).color];
  });
  canvas.style.color = "";
  return Object.fromEntries(resolved);
}
