// Plays the loaded recording.

const END = 1e9; // seconds

/** Fires `ready` when the duration is known, `unplayable` if the browser cannot decode the file, and `time` while it plays. */
export class Player extends EventTarget {
  #audio;
  #frame = 0;
  #measured = 0; // the duration that was reported

  constructor(audio) {
    super();
    this.#audio = audio;
    for (const name of ["loadedmetadata", "durationchange"]) audio.addEventListener(name, () => this.#measure());
    audio.addEventListener("error", () => this.#fail());
    audio.addEventListener("play", () => this.#follow());
    audio.addEventListener("pause", () => cancelAnimationFrame(this.#frame));
    audio.addEventListener("timeupdate", () => this.dispatchEvent(new Event("time")));
  }

  get seconds() {
    const { duration } = this.#audio;
    return Number.isFinite(duration) ? duration : 0;
  }

  get time() {
    return this.#audio.currentTime;
  }

  get playable() {
    return !this.#audio.hidden;
  }

  /** Loads a file; null: none. Returns its URL. */
  load(file) {
    URL.revokeObjectURL(this.#audio.src);
    this.#measured = 0;
    this.#audio.hidden = file === null;
    if (file) this.#audio.src = URL.createObjectURL(file);
    else this.#unload();
    return this.#audio.src;
  }

  /** Removing the attribute alone would keep the old file playing, and its duration. */
  #unload() {
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.#audio.load();
  }

  playFrom(seconds) {
    if (!this.playable) return;
    this.#audio.currentTime = seconds;
    this.#audio.play().catch(() => {}); // interrupted by a pause or another file
  }

  pause() {
    this.#audio.pause();
  }

  /** Recordings have no duration in their container; seeking to the end finds it. */
  #measure() {
    if (this.#audio.duration === Infinity) {
      const file = this.#audio.src;
      this.#audio.currentTime = END;
      const rewind = () => {
        if (this.#audio.src === file) this.#audio.currentTime = 0;
      };
      this.#audio.addEventListener("seeked", rewind, { once: true });
    } else if (this.seconds > 0 && this.seconds !== this.#measured) {
      this.#measured = this.seconds;
      this.dispatchEvent(new Event("ready"));
    }
  }

  #fail() {
    if (!this.#audio.getAttribute("src")) return; // unloaded
    this.#audio.hidden = true;
    this.dispatchEvent(new Event("unplayable"));
  }

  /** Browsers fire `timeupdate` four times a second; the playhead moves with every frame. */
  #follow = () => {
    if (this.#audio.paused) return;
    this.dispatchEvent(new Event("time"));
    this.#frame = requestAnimationFrame(this.#follow);
  };
}
