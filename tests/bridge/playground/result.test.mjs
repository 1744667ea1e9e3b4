// A result, as the events of the bridge change it.

import assert from "node:assert/strict";
import test from "node:test";

import { apply, begun, cancelled, ended, failed, isTranscribed } from "../../../bridge/speechbridge/playground/result.js";
import { stages } from "../../../bridge/speechbridge/playground/stages.js";

const TIMINGS = { queue_ms: 10, transcribe_ms: 400, first_token_ms: 700, generate_ms: 600, total_ms: 1100 };
const QUIET = { code: "quiet", message: "The recording is quiet." };

function after(...events) {
  const start = begun({ name: "a.wav", options: {}, at: "2026-01-01T00:00:00Z" });
  return events.reduce((result, [name, data]) => apply(result, { name, data }), start);
}

const delta = (text, start, end) => ["transcript.delta", { text, start, end }];
const heard = (text, more = {}) => ["transcript.done", { text, language: "en", audio_seconds: 3, warnings: [], ...more }];

test("phases follow the events", () => {
  const upload = (share) => ["upload", { share, elapsedMs: 20 }];
  assert.equal(after(upload(0.4)).phase, "uploading");
  assert.equal(after(upload(1)).phase, "transcribing");
  assert.equal(after(upload(1)).uploadMs, 20);
  assert.equal(after(delta("a", 0, 1), upload(1)).phase, "transcribing");
  assert.equal(after(heard("a")).phase, "answering");
  assert.equal(ended(after(heard("a"))).phase, "complete");
});

test("segments are in order of time when the transcript is complete", () => {
  const { segments } = after(delta(" b", 2, 3), delta(" a", 0, 1), heard("a b"));
  assert.deepEqual(segments.map(({ text }) => text), [" a", " b"]);
});

test("a transcript that differs from its segments replaces them", () => {
  assert.deepEqual(after(delta(" a", 0, 1), heard("a c")).segments, [{ text: "a c" }]);
  assert.deepEqual(after(heard("")).segments, []);
});

test("a warning that comes twice is shown once", () => {
  const done = ["response.done", { transcription: "a", response: "b", warnings: [QUIET], timings: TIMINGS }];
  assert.deepEqual(after(heard("a", { warnings: [QUIET] }), done).warnings, [QUIET]);
});

test("a truncated answer is a warning", () => {
  const done = ["response.done", { transcription: "a", response: "b", finish_reason: "length", warnings: [], timings: TIMINGS }];
  assert.deepEqual(after(done).warnings.map(({ code }) => code), ["length"]);
});

test("a failed answer keeps the transcript", () => {
  const error = { code: "model_missing", message: "No model." };
  const done = ["response.done", { transcription: "a", response: "Ollama processing failed: ...", error, timings: TIMINGS }];
  const result = ended(after(["open", { requestId: "r1" }], heard("a"), done));
  assert.equal(result.state, "failed");
  assert.equal(result.transcription, "a");
  assert.equal(result.answer, "");
  assert.deepEqual(result.problem, { ...error, requestId: "r1" });
});

const TRUNCATED = { code: "truncated", message: "The transcript ends at 30.0 s." };
const LATE = { code: "deadline_exceeded", message: "The request was not complete in time." };

/** The events of a request whose transcription the deadline ended. */
const CUT_OFF = [
  delta(" a", 0, 30),
  ["error", { ...LATE, stage: "transcribe" }],
  ["response.done", { transcription: "a", response: "", error: LATE, warnings: [TRUNCATED], coverage: null, timings: TIMINGS }],
];

test("a transcript that the deadline ended is not complete", () => {
  const result = ended(after(["open", { requestId: "r1" }], ...CUT_OFF));
  assert.equal(isTranscribed(result), false);
  assert.equal(result.transcription, "a");
  assert.deepEqual(result.problem, { ...LATE, stage: "transcribe", requestId: "r1" });
});

test("nor is one that an older page kept without the stage of the problem", () => {
  const result = ended(after(...CUT_OFF));
  assert.equal(isTranscribed({ ...result, problem: { ...LATE, requestId: "" } }), false);
});

test("a transcript is complete once it is there, also of a truncated recording or with a failed answer", () => {
  const failedAnswer = ["error", { ...LATE, stage: "generate" }];
  const coverage = { audio_seconds: 30, gaps: [], doubtful: [] };
  assert.equal(isTranscribed(after(delta("a", 0, 1))), false);
  assert.equal(isTranscribed(after(heard("a"))), true);
  assert.equal(isTranscribed(after(heard("a"), failedAnswer)), true);
  assert.equal(isTranscribed(after(heard("a", { coverage, warnings: [TRUNCATED] }))), true);
});

test("waiting ends with the next sign of progress", () => {
  const waiting = ["status", { status: "starting", stage: "transcribe", loading: { stage: "starting", eta_seconds: 8 } }];
  assert.deepEqual(after(waiting).waiting, { stage: "transcribe", left: 8 });
  assert.equal(after(waiting, delta("a", 0, 1)).waiting, null);
});

test("a request that ends early keeps its phase", () => {
  const result = after(["upload", { share: 0.3, elapsedMs: 5 }]);
  assert.deepEqual([cancelled(result).state, cancelled(result).phase], ["cancelled", "uploading"]);
  assert.equal(failed(result, { code: "x", message: "m", requestId: "" }).problem.code, "x");
});

test("an event that this page does not know changes nothing", () => {
  const before = after();
  assert.equal(apply(before, { name: "other", data: {} }), before);
});

test("stages lie on the axis of the request", () => {
  assert.deepEqual(stages(TIMINGS, 50), [
    { name: "upload", start: 0, end: 50 },
    { name: "queue", start: 90, end: 100 },
    { name: "transcription", start: 100, end: 500 },
    { name: "first-token", start: 500, end: 700 },
    { name: "answer", start: 700, end: 1100 },
  ]);
});

test("stages that were not reached are missing", () => {
  const none = { queue_ms: 10, transcribe_ms: null, first_token_ms: null, generate_ms: null, total_ms: 30 };
  assert.deepEqual(stages(none, null).map(({ name }) => name), ["queue"]);
});
