// The loudness while recording.

/** Draws the recent loudness as bars, newest on the right, until `stop()`. */
export class Meter {
  #canvas;
  #recording;
  #levels = [];
  #frame;

  constructor(canvas, recording) {
    this.#canvas = canvas;
    this.#recording = recording;
    canvas.width = canvas.clientWidth * devicePixelRatio;
    canvas.height = canvas.clientHeight * devicePixelRatio;
    this.#draw();
  }

  #draw = () => {
    const { width, height } = this.#canvas;
    const step = 4 * devicePixelRatio;
    this.#levels = [...this.#levels, this.#recording.level()].slice(-Math.ceil(width / step));
    const pen = this.#canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = getComputedStyle(this.#canvas).color;
    this.#levels.forEach((level, index) => {
      const bar = Math.max(devicePixelRatio * 2, level * height);
      pen.fillRect(width - (this.#levels.length - index) * step, (height - bar) / 2, step / 2, bar);
    });
    this.#frame = requestAnimationFrame(this.#draw);
  };

  stop() {
    cancelAnimationFrame(this.#frame);
  }
}
