// A chart of lines over time, with uPlot, and its legend.

import { formatted } from "./format.js";

const COLORS = ["#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#06b6d4", "#ec4899", "#84cc16", "#a16207", "#64748b"];
const FILL = "4d"; // 30 % opaque
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECONDS = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export class Chart {
  #unit;
  #stacked;
  #colors;
  #plot = null;
  #box = document.createElement("div");
  #legend = document.createElement("ul");
  #clock;
  #series = [];
  #marks = [];

  /** A chart inside `element`; `clock` shows the time under the cursor, `colors` are those of series by name. */
  constructor(element, clock, { unit, stacked, colors }) {
    this.#unit = unit;
    this.#stacked = stacked;
    this.#colors = colors;
    this.#clock = clock;
    this.#box.className = "plot";
    this.#legend.className = "legend";
    element.append(this.#box, this.#legend);
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(this.#box);
  }

  /** Draws series `[{name, values}]` at times, and marks at other times, all in seconds. */
  draw(times, series, marks) {
    const same = this.#plot && series.map((one) => one.name).join("\n") === this.#series.map((one) => one.name).join("\n");
    this.#series = series;
    this.#marks = marks;
    const data = [times, ...(this.#stacked ? sums(series) : series.map((one) => one.values))];
    if (same) {
      this.#plot.setData(data);
    } else {
      this.remove();
      this.#legend.replaceChildren(...series.map((one, at) => this.#entry(one, at)));
      this.#plot = new uPlot(this.#options(), data, this.#box);
    }
    this.#showValues();
  }

  /** Removes what is drawn. */
  remove() {
    this.#plot?.destroy();
    this.#plot = null;
    this.#legend.replaceChildren();
  }

  #size() {
    return { width: this.#box.clientWidth, height: this.#box.clientHeight };
  }

  #options() {
    const style = getComputedStyle(document.documentElement);
    const grid = { stroke: style.getPropertyValue("--grid"), width: 1 };
    const axis = { stroke: style.getPropertyValue("--quiet"), grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    return {
      ...this.#size(),
      padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: "panels" }, y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { y: { range: (_, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, size: 24, space: 60, values: (_, times) => times.map((time) => clock(times).format(time * 1000)) },
        { ...axis, size: 64, space: 28, values: (_, values) => values.map((value) => this.#tick(value)) },
      ],
      series: [{}, ...this.#series.map((one, at) => this.#line(at))],
      bands: this.#stacked ? this.#series.slice(1).map((_, at) => ({ series: [at + 2, at + 1] })) : [],
      hooks: { setCursor: [() => this.#showValues()], draw: [(plot) => this.#drawMarks(plot)] },
    };
  }

  #tick(value) {
    return this.#unit === "bool" && !Number.isInteger(value) ? "" : formatted(value, this.#unit);
  }

  #color(at) {
    return this.#colors[this.#series[at].name] ?? COLORS[at % COLORS.length];
  }

  #line(at) {
    const stroke = this.#color(at);
    return {
      stroke,
      width: 1.5,
      fill: this.#stacked ? stroke + FILL : undefined,
      points: { show: () => false, filter: (plot, index) => alone(plot.data[index]), size: 5, fill: stroke },
    };
  }

  #entry({ name }, at) {
    const entry = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.append(swatch(this.#color(at)), ` ${name} `, document.createElement("b"));
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      this.#plot.setSeries(at + 1, { show: shown });
    });
    entry.append(button);
    return entry;
  }

  #showValues() {
    const at = this.#plot?.cursor.idx;
    const chosen = at !== null && at !== undefined;
    this.#clock.textContent = chosen ? SECONDS.format(this.#plot.data[0][at] * 1000) : "";
    this.#series.forEach(({ values }, index) => {
      const value = chosen ? values[at] : values.findLast((one) => one !== null);
      const place = this.#legend.children[index]?.querySelector("b");
      if (place) place.textContent = formatted(value, this.#unit);
    });
  }

  #drawMarks({ ctx, bbox, valToPos }) {
    ctx.save();
    ctx.setLineDash([4, 3]);
    ctx.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    for (const time of this.#marks) {
      const x = valToPos(time, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }
}

/** The format of marks on the time axis: with seconds where less than a minute lies between two. */
function clock([first, second]) {
  return second - first < 60 ? SECONDS : CLOCK;
}

function swatch(color) {
  const found = document.createElement("i");
  found.style.background = color;
  return found;
}

/** The values of each series added to those before it. */
function sums(series) {
  let below = [];
  return series.map(({ values }) => {
    below = values.map((value, at) => (value === null && !below[at] ? null : (value ?? 0) + (below[at] ?? 0)));
    return below;
  });
}

/** The places of values without neighbours, which no line shows; null without any. */
function alone(values) {
  const empty = (at) => values[at] === null || values[at] === undefined;
  const found = values.flatMap((_, at) => (!empty(at) && empty(at - 1) && empty(at + 1) ? [at] : []));
  return found.length ? found : null;
}
