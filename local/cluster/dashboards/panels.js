// The panels of a dashboard: what they ask Prometheus, and how it is shown.

import { Chart } from "./chart.js";
import { formatted } from "./format.js";
import { atEnd, filled, named, overTime } from "./prometheus.js";

const COLUMNS = 24;

/** Returns the heading of a row. */
export function heading({ title }) {
  const found = document.createElement("h2");
  found.textContent = title;
  return found;
}

/** A panel of type `timeseries` or `stat`; `element.dataset.state` is loading, drawn, empty or failed. */
export class Panel {
  #panel;
  #note = document.createElement("p");
  #shown;

  constructor(panel) {
    this.#panel = panel;
    this.element = document.createElement("section");
    this.element.className = `panel ${panel.type}`;
    this.element.dataset.state = "loading";
    this.element.style.setProperty("--columns", Math.min(panel.gridPos.w, COLUMNS));
    const clock = document.createElement("time");
    this.#note.className = "note";
    const body = document.createElement("div");
    body.className = "body";
    this.element.append(head(panel, clock), body, this.#note);
    this.#shown = panel.type === "stat" ? new Figure(body, panel) : new Lines(body, clock, panel);
  }

  /** Asks for the values of a time and shows them; a failure is shown in the panel. */
  async update(time, values, marks) {
    try {
      const any = await this.#shown.update(time, values, marks);
      this.#state(any ? "drawn" : "empty", any ? "" : "no data in this time");
    } catch (error) {
      this.#state("failed", error.message);
    }
  }

  #state(state, note) {
    this.element.dataset.state = state;
    this.#note.textContent = note;
  }
}

class Lines {
  #panel;
  #chart;

  constructor(element, clock, panel) {
    this.#panel = panel;
    const { defaults, overrides } = panel.fieldConfig;
    const { unit, custom } = defaults;
    this.#chart = new Chart(element, clock, { unit, stacked: custom?.stacking?.mode === "normal", colors: fixedColors(overrides) });
  }

  async update(time, values, marks) {
    const answers = await Promise.all(this.#panel.targets.map((one) => overTime(filled(one.expr, values), time)));
    const series = answers.flatMap((found, at) =>
      found.map((one) => ({ name: named(this.#panel.targets[at].legendFormat, one.labels), values: one.values })),
    );
    const drawn = series.filter((one) => one.values.some((value) => value !== null));
    if (drawn.length === 0) {
      this.#chart.remove();
      return false;
    }
    const times = drawn[0].values.map((_, at) => time.start + at * time.step);
    this.#chart.draw(times, drawn, marks);
    return true;
  }
}

/** The colors that a panel gives to series by their names. */
function fixedColors(overrides = []) {
  const chosen = overrides.flatMap(({ matcher, properties }) =>
    properties.filter((one) => one.id === "color").map((one) => [matcher.options, one.value.fixedColor]),
  );
  return Object.fromEntries(chosen);
}

class Figure {
  #panel;
  #output = document.createElement("output");

  constructor(element, panel) {
    this.#panel = panel;
    element.append(this.#output);
  }

  async update(time, values) {
    const { unit, decimals } = this.#panel.fieldConfig.defaults;
    const value = await atEnd(filled(this.#panel.targets[0].expr, values), time);
    this.#output.textContent = value === null ? "" : formatted(value, unit, decimals);
    return value !== null;
  }
}

function head({ id, title, description }, clock) {
  const found = document.createElement("header");
  const name = document.createElement("h3");
  name.textContent = title;
  found.append(name, clock);
  if (description) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "help";
    button.textContent = "?";
    button.setAttribute("aria-label", `About ${title}`);
    button.setAttribute("aria-describedby", `about-${id}`);
    const about = document.createElement("p");
    about.id = `about-${id}`;
    about.setAttribute("role", "tooltip");
    about.textContent = description;
    found.append(button, about);
  }
  return found;
}
