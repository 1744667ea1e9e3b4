// The history in the browser.

import assert from "node:assert/strict";
import test from "node:test";

import { History } from "../../../bridge/speechbridge/playground/history.js";

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

const result = (at, transcription = "words") => ({ at, transcription });
const times = (history) => history.list().map(({ at }) => at);

test("the newest result is first, and the last twenty are kept", () => {
  const history = new History(storage());
  for (let at = 1; at <= 25; at++) history.add(result(at));
  assert.equal(times(history)[0], 25);
  assert.equal(times(history).length, 20);
});

test("the oldest results go when storage is full", () => {
  const history = new History(storage(200));
  for (const at of [1, 2, 3]) history.add(result(at, "w".repeat(60)));
  assert.deepEqual(times(history), [3, 2]);
});

test("one that does not fit at all leaves the others", () => {
  const history = new History(storage(200));
  history.add(result(1));
  history.add(result(2, "w".repeat(300)));
  assert.deepEqual(times(history), [1]);
});

test("one or all are deleted", () => {
  const kept = storage();
  const history = new History(kept);
  for (const at of [1, 2, 3]) history.add(result(at));
  history.remove(2);
  assert.deepEqual(times(history), [3, 1]);
  history.clear();
  assert.equal(kept.getItem("speech-history"), null);
});

test("what another page left in storage is an empty history", () => {
  const broken = storage();
  broken.setItem("speech-history", "{not JSON");
  assert.deepEqual(new History(broken).list(), []);
});
