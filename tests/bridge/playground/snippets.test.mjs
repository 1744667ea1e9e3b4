// The request as code: what each language would send.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";

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

/** Runs the JavaScript against a bridge that answers with `body`; returns what was printed and what was sent. */
async function runJavaScript(body) {
  let sent = "";
  const bridge = createServer(async (request, response) => {
    for await (const chunk of request) sent += chunk;
    response.end(body);
  });
  await once(bridge.listen(0, "127.0.0.1"), "listening");
  const folder = await mkdtemp(join(tmpdir(), "snippet-"));
  try {
    await writeFile(join(folder, "a.wav"), "audio");
    const url = `http://127.0.0.1:${bridge.address().port}/process`;
    const code = SNIPPETS.javascript({ url, fields: [["prompt", "Sum up."]], file: "a.wav", key: false });
    const { stdout } = await promisify(execFile)("node", ["--input-type=module", "--eval", code], { cwd: folder });
    return { stdout, sent };
  } finally {
    bridge.close();
    await rm(folder, { recursive: true });
  }
}

test("JavaScript asks for a stream, whose keep-alives fetch needs in long jobs, and prints its answer", async () => {
  const answer = JSON.stringify({ transcription: "one\u2028two", response: "Hm." });
  const { stdout, sent } = await runJavaScript(`: keep-alive\n\nevent: response.delta\ndata: {}\n\nevent: response.done\ndata: ${answer}\n\n`);
  assert.equal(stdout, "one\u2028two\nHm.\n");
  assert.match(sent, /name="stream"\r\n\r\ntrue\r\n/);
});

test("JavaScript fails with the error of a stream, or if that breaks off", async () => {
  await assert.rejects(runJavaScript('event: error\ndata: {"code":"not_audio"}\n\n'), /not_audio/);
  await assert.rejects(runJavaScript(": keep-alive\n\n"), /The answer is incomplete/);
});
