// The page: tabs for the dashboards in the cluster, the choice of what is shown, and the refresh.

import { Panel, heading } from "./panels.js";
import { builtIn, filled, labelValues, overTime, timeRange } from "./prometheus.js";

const ALL = ".*";
const place = (id) => document.getElementById(id);
const chosen = new URLSearchParams(location.hash.slice(1)); // dashboard, range, refresh, and variables by their names

let dashboards = [];
let panels = [];
let shown = null;
let timer = 0;

/** Writes what is chosen into the address, which can then be shared and reloaded. */
function choose(name, value) {
  chosen.set(name, value);
  history.replaceState(null, "", `#${chosen}`);
}

function tab(dashboard) {
  const found = document.createElement("button");
  found.type = "button";
  found.textContent = dashboard.title.split(" / ").at(-1);
  found.title = dashboard.description;
  found.dataset.uid = dashboard.uid;
  found.addEventListener("click", () => show(dashboard));
  return found;
}

async function show(dashboard) {
  shown = dashboard;
  choose("dashboard", dashboard.uid);
  for (const one of place("tabs").children) {
    if (one.dataset.uid === dashboard.uid) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
  delete document.body.dataset.drawn;
  panels = [];
  const elements = dashboard.panels.map((panel) => {
    if (panel.type === "row") return heading(panel);
    panels.push(new Panel(panel));
    return panels.at(-1).element;
  });
  place("panels").replaceChildren(...elements);
  await update();
}

/** Asks for everything once, and again after the chosen time. */
async function update() {
  clearTimeout(timer);
  const current = shown;
  try {
    if (!document.hidden) await refresh(current);
    place("message").textContent = "";
  } catch (error) {
    place("message").textContent = error.message;
  }
  if (current !== shown) return; // another one was chosen meanwhile
  const seconds = Number(place("refresh").value);
  clearTimeout(timer);
  if (seconds) timer = setTimeout(update, seconds * 1000);
}

async function refresh(dashboard) {
  const time = timeRange(Number(place("range").value));
  const values = { ...builtIn(time), ...(await variables(dashboard)) };
  const marks = await annotations(dashboard, time, values);
  await Promise.all(panels.map((panel) => panel.update(time, values, marks)));
  if (dashboard === shown) document.body.dataset.drawn = dashboard.uid;
}

/** Offers the values that the variables of a dashboard have now; returns the chosen ones. */
async function variables(dashboard) {
  const values = {};
  const fields = [];
  for (const variable of dashboard.templating.list.filter(({ type }) => type === "query")) {
    const offered = await labelValues(filled(variable.query.query, values));
    values[variable.name] = offered.includes(chosen.get(variable.name)) ? chosen.get(variable.name) : ALL;
    fields.push({ variable, offered, value: values[variable.name] });
  }
  const known = JSON.stringify(fields.map(({ variable, offered }) => [variable.name, offered]));
  if (place("variables").dataset.known !== known) {
    place("variables").dataset.known = known;
    place("variables").replaceChildren(...fields.map(field));
  }
  return values;
}

function field({ variable, offered, value }) {
  const label = document.createElement("label");
  const select = document.createElement("select");
  select.append(new Option("all", ALL), ...offered.map((one) => new Option(one)));
  select.value = value;
  select.addEventListener("change", () => {
    choose(variable.name, select.value);
    update();
  });
  label.append(`${variable.label} `, select);
  return label;
}

/** The times at which the queries of a dashboard's annotations have a value. */
async function annotations(dashboard, time, values) {
  const found = await Promise.all(
    (dashboard.annotations?.list ?? []).map(async ({ expr }) => {
      const series = await overTime(filled(expr, values), time);
      const starts = series.flatMap((one) => one.values.flatMap((value, at) => (value && !one.values[at - 1] ? [at] : [])));
      return starts.map((at) => time.start + at * time.step);
    }),
  );
  return found.flat();
}

async function start() {
  if (!globalThis.uPlot) throw new Error("The chart library is missing: install Node with npm, then run make cluster again.");
  const answer = await fetch("dashboards.json");
  dashboards = answer.ok ? await answer.json() : [];
  if (dashboards.length === 0) throw new Error("The cluster has no dashboards yet: they come with the chart. Reload this page later.");
  const order = ["service", "capacity", "operator"]; // by reader; others follow
  const rank = ({ uid }) => order.findIndex((name) => uid.endsWith(name)) + 1 || order.length + 1;
  dashboards.sort((one, other) => rank(one) - rank(other) || one.title.localeCompare(other.title));
  place("tabs").replaceChildren(...dashboards.map(tab));
  for (const name of ["range", "refresh"]) {
    if (chosen.has(name)) place(name).value = chosen.get(name);
    place(name).addEventListener("change", () => {
      choose(name, place(name).value);
      update();
    });
  }
  document.addEventListener("visibilitychange", () => document.hidden || update());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(shown));
  await show(dashboards.find(({ uid }) => uid === chosen.get("dashboard")) ?? dashboards[0]);
}

start().catch((error) => {
  place("message").textContent = error.message;
});
