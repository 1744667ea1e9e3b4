// Downloads made in the browser.

import assert from "node:assert/strict";
import test from "node:test";

import { json, plainText, srt, timestamp, vtt } from "../../../bridge/speechbridge/playground/subtitles.js";

const SEGMENTS = [
  { text: " He was not", start: 0, end: 1.5 },
  { text: " an ill-disposed young man.", start: 1.5, end: 3723.0006 },
];

test("timestamps carry over", () => {
  assert.equal(timestamp(0, ","), "00:00:00,000");
  assert.equal(timestamp(59.9996, "."), "00:01:00.000");
  assert.equal(timestamp(3723.456, "."), "01:02:03.456");
  assert.equal(timestamp(360_000, "."), "100:00:00.000");
});

test("SubRip numbers its cues from 1", () => {
  assert.equal(
    srt(SEGMENTS),
    "1\n00:00:00,000 --> 00:00:01,500\nHe was not\n\n" +
      "2\n00:00:01,500 --> 01:02:03,001\nan ill-disposed young man.\n\n",
  );
});

test("no text ends a cue or begins another", () => {
  const segments = [{ text: "one\n\n2\n00:00 --> 00:09 <b>&", start: 0, end: 1 }];
  assert.equal(srt(segments).split("\n\n").length, 2);
  assert.equal(vtt(segments), "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\none 2 00:00 --&gt; 00:09 &lt;b&gt;&amp;\n\n");
});

test("channels are the voices of WebVTT", () => {
  const segments = [{ text: "\n[Channel 1]: How can I help?", start: 0, end: 2, channel: 1 }];
  assert.equal(vtt(segments), "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v Channel 1>How can I help?\n\n");
});

test("segments without times are in the text alone", () => {
  const segments = [{ text: "Hello." }];
  assert.equal(srt(segments), "");
  assert.equal(plainText({ segments, transcription: "Hello." }), "Hello.\n");
});

test("JSON has the segments, the options and what the bridge reported", () => {
  const result = {
    name: "a.wav",
    at: "2026-01-01T00:00:00Z",
    options: { prompt: "p" },
    segments: SEGMENTS,
    answer: "Hm.",
    transcription: "He was not an ill-disposed young man.",
    final: { language: "en" },
  };
  const written = JSON.parse(json(result));
  assert.deepEqual(written.segments, SEGMENTS);
  assert.equal(written.transcription, result.transcription);
  assert.equal(written.response, "Hm.");
  assert.equal(written.language, "en");
});
