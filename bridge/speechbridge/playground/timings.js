// The timeline of a finished request.

import { $, element } from "./dom.js";
import { duration, transcriptionSpeed } from "./format.js";
import { stages } from "./stages.js";

const NAMES = {
  upload: ["Upload", "from this browser to the bridge"],
  queue: ["Queue", "waiting for admission and pods"],
  transcription: ["Transcription", "audio to text"],
  "first-token": ["First token", "from the transcript to the first word of the answer"],
  answer: ["Answer", "from the first word to the last"],
};

/** Shows the stages of a result; nothing for a result without timings. */
export function showTimings({ final, uploadMs }) {
  const timings = final?.timings;
  $("timings").hidden = !timings;
  if (!timings) return;
  const bars = stages(timings, uploadMs);
  const longest = Math.max(1, ...bars.map(({ end }) => end));
  $("stages").replaceChildren(...bars.map((bar) => row(bar, longest)));
  const speed = transcriptionSpeed(final.audio_seconds, timings.transcribe_ms);
  $("figures").textContent = [`${duration(timings.total_ms)} in all`, speed && `transcribed at ${speed}`].filter(Boolean).join(" · ");
}

function row({ name, start, end }, longest) {
  const [label, meaning] = NAMES[name];
  const bar = element("span", { className: `bar ${name}` });
  bar.style.marginInlineStart = `${(start / longest) * 100}%`;
  bar.style.width = `${((end - start) / longest) * 100}%`;
  const track = element("span", { className: "track", ariaHidden: "true" }, bar);
  const title = element("span", { className: "stage" }, label, element("span", { className: "visually-hidden", textContent: `, ${meaning}: ` }));
  return element("li", { title: meaning }, title, track, element("span", { className: "ms", textContent: duration(end - start) }));
}
