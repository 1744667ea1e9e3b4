// The request as code: what each language would send.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import test from "node:test";

import { fields } from "../../../bridge/speechbridge/playground/request.js";
import { SNIPPETS } from "../../../bridge/speechbridge/playground/snippets.js";

const NASTY = `@it's "so"; $(rm) \`x\` \\n\nnew\tline é ☃ 😀`;
const REQUEST = { url: "http://bridge/process", fields: [["prompt", NASTY]], file: `it's "a;b".wav`, key: true };

test("blank options are left out", () => {
  assert.deepEqual(fields({ prompt: " ", model: "", language: "" }), []);
  assert.deepEqual(fields({ prompt: "Sum up.", vocabulary: "Norland", translate: true, separate: true }), [
    ["prompt", "Sum up."],
    ["hotwords", "Norland"],
    ["task", "translate"],
    ["channels", "separate"],
  ]);
});

test("a shell passes every character of the prompt and of the name to curl", () => {
  const command = SNIPPETS.curl(REQUEST).replace(/^curl/, "printf '%s\\0'");
  const sent = execFileSync("sh", ["-c", command], { env: { API_KEY: "secret" } }).toString().split("\0");
  assert.deepEqual(sent.slice(0, -1), [
    "-N",
    "http://bridge/process",
    "-H",
    "Authorization: Bearer secret",
    "--form-string",
    `prompt=${NASTY}`,
    "--form-string",
    "stream=true",
    "-F",
    String.raw`file=@"it's \"a;b\".wav"`,
  ]);
});

test("JavaScript reads back the strings that were written", () => {
  const written = SNIPPETS.javascript(REQUEST);
  const literal = written.match(/form\.append\("prompt", (".*")\);/)[1];
  assert.equal(eval(literal), NASTY);
});

test("the key is read from the environment, and only if there is one", () => {
  for (const write of Object.values(SNIPPETS)) {
    assert.match(write(REQUEST), /API_KEY/);
    assert.doesNotMatch(write({ ...REQUEST, key: false }), /API_KEY|Authorization/);
  }
});
