// OpenAI's client for Node: transcriptions, a streamed transcription, chats and responses.

import fs from "node:fs";
import OpenAI from "openai";

const [base, recording] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "unused", maxRetries: 0 });
const file = () => fs.createReadStream(recording);
const transcriptions = client.audio.transcriptions;

const found = {};
found.json = (await transcriptions.create({ file: file(), model: "gpt-4o-transcribe" })).text;
found.srt = await transcriptions.create({ file: file(), model: "whisper-1", response_format: "srt" });
const verbose = await transcriptions.create({
    file: file(),
    model: "whisper-1",
    response_format: "verbose_json",
    timestamp_granularities: ["word", "segment"],
});
found.verbose = { text: verbose.text, language: verbose.language, words: verbose.words.length };
found.events = [];
for await (const event of await transcriptions.create({ file: file(), model: "whisper-1", stream: true })) {
    found.events.push({ type: event.type, text: event.delta ?? event.text });
}

const chat = { model: "smollm2:135m", max_tokens: 8, messages: [{ role: "user", content: "Say hello." }] };
found.chat = (await client.chat.completions.create(chat)).choices[0].message.content;
found.chatStreamed = "";
for await (const piece of await client.chat.completions.create({ ...chat, stream: true })) {
    found.chatStreamed += piece.choices[0]?.delta?.content ?? "";
}
const request = { model: "smollm2:135m", max_output_tokens: 16, input: "Say hello." };
found.response = (await client.responses.create(request)).output_text;
const stream = client.responses.stream(request);
found.responseStreamed = (await stream.finalResponse()).output_text;

const audio = fs.readFileSync(recording).toString("base64");
const content = [{ type: "input_audio", input_audio: { data: audio, format: "wav" } }, { type: "text", text: "Repeat." }];
found.heard = (await client.chat.completions.create({ ...chat, messages: [{ role: "user", content }] })).usage;
try {
    await transcriptions.create({ file: await OpenAI.toFile(Buffer.from("no audio"), "a.wav"), model: "whisper-1" });
} catch (error) {
    found.error = { type: error.constructor.name, status: error.status, code: error.code };
}
console.log(JSON.stringify(found));
