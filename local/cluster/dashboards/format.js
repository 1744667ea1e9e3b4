// Values as text, by Grafana's names of the units that the dashboards use.

const TIMES = [[86400 * 2, 86400, "d"], [7200, 3600, "h"], [600, 60, "min"], [1, 1, "s"], [1e-3, 1e-3, "ms"], [0, 1e-6, "µs"]];
const THOUSANDS = [[1e9, 1e9, "G"], [1e6, 1e6, "M"], [1e3, 1e3, "k"], [0, 1, ""]];
const BYTES = [[2 ** 30, 2 ** 30, "GiB"], [2 ** 20, 2 ** 20, "MiB"], [2 ** 10, 2 ** 10, "KiB"], [0, 1, "B"]];

const UNITS = {
  s: (value, decimals) => scaled(value, TIMES, decimals),
  bytes: (value, decimals) => scaled(value, BYTES, decimals),
  Bps: (value, decimals) => `${scaled(value, BYTES, decimals)}/s`,
  short: (value, decimals) => scaled(value, THOUSANDS, decimals),
  reqps: (value, decimals) => `${scaled(value, THOUSANDS, decimals)} req/s`,
  ops: (value, decimals) => `${scaled(value, THOUSANDS, decimals)} ops/s`,
  percentunit: (value, decimals) => `${digits(value * 100, decimals)} %`,
  bool: (value) => (value === 0 ? "no" : "yes"),
};

export const KNOWN = [...Object.keys(UNITS), "none"];

/** Returns a value with its unit; `decimals` is undefined for as many as make three digits. */
export function formatted(value, unit, decimals) {
  if (value === null || value === undefined) return "-";
  return (UNITS[unit] ?? digits)(value, decimals);
}

function scaled(value, scales, decimals) {
  const [, size, name] = scales.find(([least, one]) => (value === 0 ? one === 1 : Math.abs(value) >= least));
  return `${digits(value / size, decimals)}${name ? ` ${name}` : ""}`;
}

function digits(value, decimals) {
  const fraction = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en", { maximumFractionDigits: Math.min(decimals ?? fraction, fraction) });
}
