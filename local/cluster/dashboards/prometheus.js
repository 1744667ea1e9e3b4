// Prometheus' HTTP API, and the variables of Grafana in queries.

const API = "prometheus/api/v1/";
export const SCRAPE_SECONDS = 5; // as in prometheus.yml
const MOST_POINTS = 240;

/** A chosen time: `start`, `end` and `step` in seconds, `start` and `end` multiples of `step`. */
export function timeRange(seconds, now = Date.now() / 1000) {
  const step = Math.max(SCRAPE_SECONDS, Math.ceil(seconds / MOST_POINTS / SCRAPE_SECONDS) * SCRAPE_SECONDS);
  const end = Math.floor(now / step) * step;
  return { start: end - Math.ceil(seconds / step) * step, end, step, seconds };
}

/** The values of Grafana's own variables for a time. */
export function builtIn({ seconds, step }) {
  const rate = Math.max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS);
  return { __range: `${seconds}s`, __interval: `${step}s`, __rate_interval: `${rate}s` };
}

/** A query with the values of its variables. */
export function filled(query, values) {
  return query.replace(/\$(?:\{(\w+)\}|(\w+))/g, (found, one, other) => values[one ?? other] ?? found);
}

/** The name of a series: `{{label}}` is the value of a label. */
export function named(format, labels) {
  if (format) return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? "");
  const listed = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return listed.length ? `{${listed.join(", ")}}` : "value";
}

/** The series of a query over a time: `[{labels, values}]`, one value or null for each of the time's points. */
export async function overTime(query, time) {
  const { result } = await ask("query_range", { query, start: time.start, end: time.end, step: time.step });
  return result.map(({ metric, values }) => {
    const found = new Array(Math.round((time.end - time.start) / time.step) + 1).fill(null);
    for (const [at, text] of values) found[Math.round((at - time.start) / time.step)] = number(text);
    return { labels: metric, values: found };
  });
}

/** The value of a query at the end of a time; null if it has none. */
export async function atEnd(query, time) {
  const { result } = await ask("query", { query, time: time.end });
  return result.length ? number(result[0].value[1]) : null;
}

/** The values that a query like `label_values(metric{...}, label)` of a variable has. */
export async function labelValues(query) {
  const [, selector, label] = query.match(/^label_values\((.+),\s*(\w+)\)$/s);
  return ask(`label/${label}/values`, { "match[]": selector }, "GET");
}

async function ask(endpoint, parameters, method = "POST") {
  const form = new URLSearchParams(parameters);
  const answer = method === "GET" ? await fetch(`${API}${endpoint}?${form}`) : await fetch(API + endpoint, { method, body: form });
  const body = await answer.json().catch(() => ({ error: `HTTP ${answer.status}` }));
  if (body.status !== "success") throw new Error(`Prometheus: ${body.error}`);
  return body.data;
}

function number(text) {
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}
