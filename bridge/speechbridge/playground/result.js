// The state of one request: a plain object, changed by the events of the bridge and kept in the history.

export const RUNNING = "running";

/**
 * A result before the first event. `name` is that of the recording, `options` those of the form.
 *
 * `phase` is "uploading", "transcribing", "answering" or "complete" and keeps its value when the request ends early;
 * `state` is "running", "done", "failed" or "cancelled". `final` holds what the bridge reported at the end.
 */
export function begun({ name, seconds = null, options, at }) {
  return {
    name,
    seconds,
    options,
    at,
    state: RUNNING,
    phase: "uploading",
    uploaded: 0,
    uploadMs: null,
    waiting: null,
    requestId: "",
    segments: [],
    transcription: null,
    answer: "",
    warnings: [],
    problem: null,
    final: null,
  };
}

const EVENTS = {
  upload: (result, { share, elapsedMs }) =>
    share < 1
      ? { uploaded: share }
      : { uploaded: 1, uploadMs: elapsedMs, phase: result.phase === "uploading" ? "transcribing" : result.phase },
  open: (_, { requestId }) => ({ requestId }),
  status: (_, { stage, loading }) => ({ waiting: { stage, left: loading?.eta_seconds ?? null } }),
  "transcript.delta": ({ segments }, segment) => ({
    segments: [...segments, segment],
    phase: "transcribing",
    waiting: null,
  }),
  "transcript.done": (result, data) => ({
    segments: settled(result.segments, data.text),
    transcription: data.text,
    warnings: merged(result.warnings, data.warnings),
    final: { language: data.language, audio_seconds: data.audio_seconds, coverage: data.coverage ?? null },
    phase: "answering",
    waiting: null,
  }),
  "response.delta": ({ answer }, { text }) => ({
    answer: answer ? answer + text : text.trimStart(),
    phase: "answering",
    waiting: null,
  }),
  error: ({ requestId }, { code, message, stage }) => ({ problem: { code, message, stage, requestId } }),
  "response.done": answered,
};

/** The result after an event `{name, data}`; unknown events change nothing. */
export function apply(result, { name, data }) {
  const change = EVENTS[name];
  return change ? { ...result, ...change(result, data) } : result;
}

/** The result after the last event. */
export function ended(result) {
  return { ...result, state: result.problem ? "failed" : "done", phase: result.problem ? result.phase : "complete" };
}

/** The result of a request that ended before its last event. */
export function failed(result, { code, message, requestId }) {
  return { ...result, state: "failed", waiting: null, problem: { code, message, requestId } };
}

export function cancelled(result) {
  return { ...result, state: "cancelled", waiting: null };
}

/** Whether the transcript is complete: one that the deadline ended is not, and has no coverage. */
export function isTranscribed({ transcription, problem, warnings, final }) {
  if (transcription === null || problem?.stage === "transcribe") return false;
  return Boolean(final?.coverage) || warnings.every(({ code }) => code !== "truncated");
}

function answered(result, data) {
  const { error, response, warnings, ...final } = data;
  const truncated = { code: "length", message: "The answer was truncated at the token limit of the model." };
  return {
    segments: result.transcription === null ? settled(result.segments, data.transcription) : result.segments,
    transcription: data.transcription,
    answer: result.answer || (error ? "" : response.trimStart()),
    warnings: merged(result.warnings, [...(warnings ?? []), ...(data.finish_reason === "length" ? [truncated] : [])]),
    problem: error ? { ...result.problem, ...error, requestId: result.requestId } : result.problem,
    final,
    waiting: null,
  };
}

/** The segments in order of time, or the whole text as one, without times, if it differs from them. */
function settled(segments, text) {
  const ordered = segments.every(({ start }) => Number.isFinite(start))
    ? segments.toSorted((one, other) => one.start - other.start)
    : segments;
  const letters = (words) => words.replace(/\s+/g, "");
  if (letters(ordered.map((segment) => segment.text).join("")) === letters(text)) return ordered;
  return text.trim() ? [{ text }] : [];
}

/** Warnings with one for each code: the same ones arrive with the transcript and with the complete answer. */
function merged(known, more = []) {
  const fresh = more.filter(({ code }) => !known.some((warning) => warning.code === code));
  return [...known, ...fresh];
}
