// Which stretches of a recording are transcribed, doubtful, skipped or without data; times in seconds.

import { timed } from "./subtitles.js";

const SHORTEST_PAUSE = 1;

const REASONS = {
  no_data: "the file has no audio here",
  damaged: "the audio is damaged",
  repetition: "the text repeats itself",
  improbable: "Whisper was unsure of the words",
  too_fast: "more words than can be spoken in the time",
  incomplete: "the text may end too early",
  no_speech: "text where no speech was detected",
  no_words: "speech without text",
};

/** Why a stretch is doubtful or a gap, in words. */
export function explanation({ reason }) {
  return REASONS[reason] ?? reason.replaceAll("_", " ");
}

/**
 * `{transcribed, doubtful, gaps, skipped}`, each a list of `{start, end, reason}` in order of time.
 *
 * Whisper does not report what it skipped: that is what lies between the segments of a complete transcript, without the
 * gaps and the doubtful stretches.
 */
export function stretches({ segments, coverage, seconds, complete }) {
  const transcribed = timed(segments).map(({ start, end }) => ({ start, end }));
  const { gaps = [], doubtful = [] } = coverage ?? {};
  const skipped = complete && transcribed.length ? between([...transcribed, ...gaps, ...doubtful], seconds) : [];
  return { transcribed, doubtful, gaps, skipped };
}

/** What no stretch covers from 0 to `seconds`, without pauses of less than a second. */
function between(covered, seconds) {
  const free = [];
  let reached = 0;
  for (const { start, end } of [...covered, { start: seconds, end: seconds }].sort((one, other) => one.start - other.start)) {
    if (start - reached >= SHORTEST_PAUSE) free.push({ start: reached, end: start });
    reached = Math.max(reached, end);
  }
  return free;
}

/** The total length of the stretches. */
export function total(list) {
  return list.reduce((sum, { start, end }) => sum + end - start, 0);
}
