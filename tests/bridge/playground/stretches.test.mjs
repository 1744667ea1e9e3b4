// What the waveform marks.

import assert from "node:assert/strict";
import test from "node:test";

import { decodable, peaks } from "../../../bridge/speechbridge/playground/peaks.js";
import { apply, begun, isTranscribed } from "../../../bridge/speechbridge/playground/result.js";
import { explanation, stretches, total } from "../../../bridge/speechbridge/playground/stretches.js";

const SEGMENTS = [
  { text: "a", start: 2, end: 4 },
  { text: "b", start: 4.5, end: 6 },
];

test("what no segment covers was skipped, short pauses aside", () => {
  const { skipped } = stretches({ segments: SEGMENTS, coverage: null, seconds: 10, complete: true });
  assert.deepEqual(skipped, [
    { start: 0, end: 2 },
    { start: 6, end: 10 },
  ]);
  assert.equal(total(skipped), 6);
});

test("gaps and doubtful stretches were not skipped", () => {
  const coverage = {
    gaps: [{ start: 0, end: 2, reason: "no_data" }],
    doubtful: [{ start: 6, end: 9.5, reason: "no_words" }],
  };
  const marks = stretches({ segments: SEGMENTS, coverage, seconds: 10, complete: true });
  assert.deepEqual(marks.skipped, []);
  assert.deepEqual(marks.gaps.map(explanation), ["the file has no audio here"]);
  assert.deepEqual(marks.doubtful.map(explanation), ["speech without text"]);
});

test("nothing counts as skipped before the transcript is complete, or if it has no times", () => {
  assert.deepEqual(stretches({ segments: SEGMENTS, coverage: null, seconds: 10, complete: false }).skipped, []);
  assert.deepEqual(stretches({ segments: [{ text: "a" }], coverage: null, seconds: 10, complete: true }).skipped, []);
});

test("what follows a transcript that the deadline ended was not skipped", () => {
  const events = [
    { name: "transcript.delta", data: { text: "a", start: 0, end: 30 } },
    { name: "error", data: { code: "deadline_exceeded", message: "Late.", stage: "transcribe" } },
    { name: "response.done", data: { transcription: "a", response: "", error: { code: "deadline_exceeded", message: "Late." } } },
  ];
  const result = events.reduce(apply, begun({ name: "a.wav", options: {}, at: "" }));
  const marks = stretches({ segments: result.segments, coverage: null, seconds: 1800, complete: isTranscribed(result) });
  assert.deepEqual(marks, { transcribed: [{ start: 0, end: 30 }], doubtful: [], gaps: [], skipped: [] });
});

test("overlapping segments, as of separate channels, leave no negative pause", () => {
  const segments = [
    { text: "a", start: 0, end: 8 },
    { text: "b", start: 1, end: 3 },
  ];
  const { skipped } = stretches({ segments, coverage: null, seconds: 10, complete: true });
  assert.deepEqual(skipped, [{ start: 8, end: 10 }]);
});

test("a reason that this page does not know is shown as it is", () => {
  assert.equal(explanation({ reason: "too_loud" }), "too loud");
});

test("peaks are the loudest samples of all channels, scaled to 1", () => {
  const left = Float32Array.of(0, 0.1, -0.5, 0, 0, 0);
  const right = Float32Array.of(0, 0, 0, 0, 0.25, 0);
  assert.deepEqual([...peaks([left, right], 3)].map((level) => Math.round(level * 10) / 10), [0.2, 1, 0.5]);
});

test("silence has no peaks, and a short recording no gaps", () => {
  assert.deepEqual([...peaks([new Float32Array(10)], 2)], [0, 0]);
  assert.equal(peaks([Float32Array.of(1)], 4).length, 4);
});

test("recordings of more than about ten minutes are not decoded", () => {
  assert.equal(decodable({ seconds: 500, bytes: 5e6 }), true);
  assert.equal(decodable({ seconds: 3600, bytes: 5e6 }), false);
  assert.equal(decodable({ seconds: 60, bytes: 200e6 }), false);
});
