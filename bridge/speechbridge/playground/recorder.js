// The microphone.

const FORMATS = [
  ["audio/webm;codecs=opus", "webm"],
  ["audio/mp4", "m4a"], // Safari
  ["audio/ogg;codecs=opus", "ogg"],
];

/** Why this browser cannot record, or "" if it can. */
export function whyNoRecording() {
  if (!window.isSecureContext) return "Recording requires https:// or localhost; choose a file instead.";
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) return "This browser does not support recording; choose a file instead.";
  return "";
}

/** A human-readable message for an error of `getUserMedia`. */
export function whyNoMicrophone(error) {
  const messages = {
    NotAllowedError: "Access to the microphone was denied. Allow it in the address bar, or choose a file.",
    NotFoundError: "No microphone was found.",
    NotReadableError: "The microphone is in use by another program.",
  };
  return messages[error.name] ?? `The microphone could not be started: ${error.message}`;
}

/** A recording, started when the microphone opens. `level()` is the current loudness, 0 to 1. */
export class Recording {
  #stream;
  #recorder;
  #context = new AudioContext();
  #analyser = this.#context.createAnalyser();
  #samples = new Float32Array(this.#analyser.fftSize);
  #chunks = [];
  #startedAt = performance.now();

  /** Resolves when the recording ends: by `end()`, or because the microphone was disconnected. */
  stopped;

  static async begin() {
    return new Recording(await navigator.mediaDevices.getUserMedia({ audio: true }));
  }

  constructor(stream) {
    this.#stream = stream;
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    const [mimeType] = FORMATS.find(([type]) => MediaRecorder.isTypeSupported(type)) ?? [];
    this.#recorder = new MediaRecorder(stream, { mimeType });
    this.#recorder.addEventListener("dataavailable", (event) => this.#chunks.push(event.data));
    this.stopped = new Promise((resolve) => this.#recorder.addEventListener("stop", resolve, { once: true }));
    this.#recorder.start();
  }

  seconds() {
    return (performance.now() - this.#startedAt) / 1000;
  }

  level() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
    return Math.min(1, Math.sqrt(power) * 4); // speech at a normal distance has an RMS of about 0.1
  }

  /** Ends the recording and closes the microphone; returns the audio as a File. */
  async end() {
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
    await this.stopped;
    for (const track of this.#stream.getTracks()) track.stop();
    await this.#context.close();

    const type = this.#recorder.mimeType;
    const extension = FORMATS.find(([format]) => type.startsWith(format.split(";")[0]))?.[1] ?? "webm";
    const stamp = new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
    return new File(this.#chunks, `recording-${stamp}.${extension}`, { type });
  }
}
