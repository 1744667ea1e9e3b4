// Send a recording to the bridge, once for a JSON answer and once for a streamed one. Node 18 or newer, no packages.
//
//   SPEECH_URL=http://127.0.0.1:8080 node examples/clients/process.mjs RECORDING [PROMPT]
import { readFile } from "node:fs/promises";
import { basename } from "node:path";

const url = (process.env.SPEECH_URL ?? "http://127.0.0.1:8080").replace(/\/$/, "");
const [audio, prompt = "Summarise this in one sentence:"] = process.argv.slice(2);
if (!audio) throw new Error("usage: process.mjs RECORDING [PROMPT]");

async function post(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set("file", new Blob([await readFile(audio)]), basename(audio));
  const response = await fetch(`${url}/process`, { method: "POST", body: form });
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
  return response;
}

// Yields the name and data of each server-sent event as it arrives.
async function* events(body) {
  let rest = "";
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const name = block.match(/^event: (.*)$/m)?.[1];
      const data = block.match(/^data: (.*)$/m)?.[1];
      if (data) yield [name, JSON.parse(data)];
    }
  }
}

const result = await (await post({ prompt })).json();
console.log("transcription:", result.transcription);
console.log("response:     ", result.response);

for await (const [name, data] of events((await post({ prompt, stream: "true" })).body)) {
  if (name === "transcript.delta" || name === "response.delta") process.stdout.write(data.text);
  if (name === "transcript.done") process.stdout.write("\n-> ");
  if (name === "response.done") console.log(`\ndone in ${data.process_time_ms} ms`);
  if (name === "error") throw new Error(`${data.code}: ${data.message}`);
}
