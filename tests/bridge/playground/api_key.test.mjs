// The API key that is sent.

import assert from "node:assert/strict";
import test from "node:test";

import { apiKey, processAudio } from "../../../bridge/speechbridge/playground/bridge.js";

const send = () => processAudio(new File(["audio"], "a.wav"), {}, { signal: new AbortController().signal }).next();

for (const [character, name] of [["\u200b", "U+200B"], ["\u201d", "U+201D"], ["\n", "U+000A"], ["\u{1f511}", "U+1F511"]]) {
  test(`a key with ${name}, which no header can hold, is named as the problem`, async () => {
    apiKey.set(`open${character}sesame`);
    await assert.rejects(send, { code: "invalid_api_key", message: new RegExp(`API key .*${name.replace("+", "\\+")}`) });
  });
}
