// Downloads of a result: subtitles, text, JSON. Segments are `{text, start, end, channel}`, times in seconds.

const CHANNEL = /^\[Channel \d+\]: /; // how the bridge begins the text of a segment with `channels=separate`

/** Segments with times; Whisper servers that do not stream report none. */
export function timed(segments) {
  return segments.filter(({ start, end }) => Number.isFinite(start) && Number.isFinite(end));
}

/** SubRip. */
export function srt(segments) {
  const cues = timed(segments).map(({ text, start, end }, index) => {
    const words = line(text).replaceAll("-->", "->");
    return `${index + 1}\n${timestamp(start, ",")} --> ${timestamp(end, ",")}\n${words}\n\n`;
  });
  return cues.join("");
}

/** WebVTT, https://www.w3.org/TR/webvtt1/: channels are voices, markup characters are escaped. */
export function vtt(segments) {
  const cues = timed(segments).map(({ text, start, end, channel }) => {
    const voice = channel === undefined ? "" : `<v Channel ${channel}>`;
    const words = line(text).replace(voice ? CHANNEL : /^$/, "");
    return `${timestamp(start, ".")} --> ${timestamp(end, ".")}\n${voice}${escaped(words)}\n\n`;
  });
  return `WEBVTT\n\n${cues.join("")}`;
}

/** A line for each segment, or the whole text if there are none. */
export function plainText({ segments, transcription }) {
  const lines = segments.length ? segments.map(({ text }) => line(text)) : [transcription.trim()];
  return `${lines.join("\n")}\n`;
}

/** Everything that is known about a recording, its text members named as in the answer of POST /process. */
export function json({ name, at, options, segments, transcription, answer, warnings, final }) {
  const all = { file: name, created: at, options, ...final, transcription, response: answer, warnings, segments };
  return `${JSON.stringify(all, null, 2)}\n`;
}

/** 00:01:02.345; `point` separates the milliseconds. */
export function timestamp(seconds, point) {
  const milliseconds = Math.round(seconds * 1000);
  const pad = (number, digits = 2) => String(Math.floor(number)).padStart(digits, "0");
  const clock = [milliseconds / 3_600_000, (milliseconds / 60_000) % 60, (milliseconds / 1000) % 60];
  return `${clock.map((number) => pad(number)).join(":")}${point}${pad(milliseconds % 1000, 3)}`;
}

function line(text) {
  return text.trim().replace(/\s+/g, " "); // an empty line would end a cue
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
