// The history in the browser.

import assert from "node:assert/strict";
import test from "node:test";

import { History } from "../../../bridge/speechbridge/playground/history.js";
import { apply, begun, ended } from "../../../bridge/speechbridge/playground/result.js";

/** A Storage that holds at most `size` characters. */
function storage(size = Infinity) {
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    removeItem: (key) => items.delete(key),
    setItem(key, value) {
      if (value.length > size) throw new DOMException("full", "QuotaExceededError");
      items.set(key, value);
    },
  };
}

/** A result; some 310 characters as JSON, with the default words. */
function result(at, transcription = "words") {
  const done = { transcription, response: "Hm.", language: "en", audio_seconds: 3 };
  return ended(apply(begun({ name: "a.wav", options: {}, at }), { name: "response.done", data: done }));
}

const times = (history) => history.list().map(({ at }) => at);

test("the newest result is first, and the last twenty are kept", () => {
  const history = new History(storage());
  for (let at = 1; at <= 25; at++) history.add(result(String(at)));
  assert.equal(times(history)[0], "25");
  assert.equal(times(history).length, 20);
});

test("the oldest results go when storage is full", () => {
  const history = new History(storage(1000));
  for (const at of ["1", "2", "3"]) history.add(result(at, "w".repeat(60)));
  assert.deepEqual(times(history), ["3", "2"]);
});

test("one that does not fit at all leaves the others", () => {
  const history = new History(storage(1000));
  history.add(result("1"));
  history.add(result("2", "w".repeat(1000)));
  assert.deepEqual(times(history), ["1"]);
});

test("one or all are deleted", () => {
  const kept = storage();
  const history = new History(kept);
  for (const at of ["1", "2", "3"]) history.add(result(at));
  history.remove("2");
  assert.deepEqual(times(history), ["3", "1"]);
  history.clear();
  assert.equal(kept.getItem("speech-history"), null);
});

test("what another page left in storage is an empty history", () => {
  const broken = storage();
  broken.setItem("speech-history", "{not JSON");
  assert.deepEqual(new History(broken).list(), []);
});

const ODD = {
  null: null,
  "an empty object": {},
  "a text": "words",
  "a list": [],
  "a result without a transcript": { ...result("2"), transcription: null },
  "a result with a segment that is none": { ...result("2"), segments: [null] },
  "a result with warnings that are no list": { ...result("2"), warnings: "none" },
};

for (const [name, entry] of Object.entries(ODD)) {
  test(`${name} in storage is left out of the history`, () => {
    const kept = storage();
    kept.setItem("speech-history", JSON.stringify([entry, result("1")]));
    assert.deepEqual(times(new History(kept)), ["1"]);
  });
}
