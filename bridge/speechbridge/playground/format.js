// Formats numbers.

/** 412 ms, 1.84 s, 12.3 s, 3:05; unknown: an en dash. */
export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 9_995) return `${(milliseconds / 1000).toFixed(2)} s`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  return clock(milliseconds / 1000);
}

/** 0:07, 12:40, 1:02:03. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(rest).padStart(2, "0")}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** 0:07.4, to tell the ends of short stretches apart. */
export function tenths(seconds) {
  const count = Math.round(seconds * 10);
  return `${clock(Math.floor(count / 10))}.${count % 10}`;
}

/** 640 B, 181 kB, 2.4 MB. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 999_500) return `${Math.round(count / 1000)} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}

/** Seconds of audio transcribed per second; empty: unknown. */
export function transcriptionSpeed(audioSeconds, transcribeMs) {
  if (!audioSeconds || !transcribeMs) return "";
  const speed = (audioSeconds * 1000) / transcribeMs;
  return `${speed < 10 ? speed.toFixed(1) : Math.round(speed)}× real time`;
}
