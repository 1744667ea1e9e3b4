// Numbers and sentences.

import assert from "node:assert/strict";
import test from "node:test";

import { Announcer, sentences } from "../../../bridge/speechbridge/playground/announcer.js";
import { bytes, clock, duration, tenths, transcriptionSpeed } from "../../../bridge/speechbridge/playground/format.js";

test("durations have three digits, from an hour on a clock's form", () => {
  assert.deepEqual([412.3, 999.6, 1840, 12_340, 185_000].map(duration), ["412 ms", "1.00 s", "1.84 s", "12.3 s", "3:05"]);
  assert.equal(duration(null), "–");
  assert.deepEqual([7, 760, 3723].map(clock), ["0:07", "12:40", "1:02:03"]);
  assert.deepEqual([0, 9.04, 59.96].map(tenths), ["0:00.0", "0:09.0", "1:00.0"]);
});

test("sizes and speeds", () => {
  assert.deepEqual([640, 181_200, 2_400_000].map(bytes), ["640 B", "181 kB", "2.4 MB"]);
  assert.equal(transcriptionSpeed(5.8, 640), "9.1× real time");
  assert.equal(transcriptionSpeed(null, 640), "");
});

test("sentences end at a mark that a space follows", () => {
  assert.deepEqual(sentences("Version 2.5 is here. It"), ["Version 2.5 is here.", " It"]);
  assert.deepEqual(sentences("no end yet."), ["", "no end yet."]);
  assert.deepEqual(sentences("- one\n- two"), ["- one", "- two"]);
});

test("streaming text is said in sentences, with pauses", () => {
  const said = [];
  let now = 0;
  const announcer = new Announcer((text) => said.push(text), () => now);
  for (const token of ["He ", "meant ", "well. ", "She ", "did. "]) announcer.push(token);
  assert.deepEqual(said, ["He meant well."]);
  now = 4000;
  announcer.push("They ");
  assert.deepEqual(said, ["He meant well.", "She did."]);
  announcer.flush();
  assert.deepEqual(said.at(-1), "They");
});
