// Vercel's AI SDK with its provider for OpenAI: a transcription, texts by both APIs, an object.

import fs from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import { experimental_transcribe as transcribe, generateObject, generateText, jsonSchema, streamText } from "ai";

const [base, recording] = process.argv.slice(2);
const provider = createOpenAI({ baseURL: `${base}/v1`, apiKey: "unused" });
const common = { maxRetries: 0, maxOutputTokens: 16 };

const found = {};
const heard = await transcribe({
    model: provider.transcription("whisper-1"),
    audio: fs.readFileSync(recording),
    providerOptions: { openai: { timestampGranularities: ["word"] } },
});
found.transcript = { text: heard.text, language: heard.language, seconds: heard.durationInSeconds, words: heard.segments.length };
for (const [name, model] of [["responses", provider("smollm2:135m")], ["chat", provider.chat("smollm2:135m")]]) {
    found[name] = (await generateText({ model, prompt: "Say hello.", ...common })).text;
    found[`${name}Streamed`] = "";
    for await (const piece of streamText({ model, prompt: "Say hello.", ...common }).textStream) {
        found[`${name}Streamed`] += piece;
    }
}
const schema = jsonSchema({
    type: "object",
    properties: { mood: { type: "string", enum: ["good", "bad"] } },
    required: ["mood"],
    additionalProperties: false,
});
const asked = { schema, prompt: "How are you?", maxRetries: 0 };
found.object = (await generateObject({ model: provider.chat("smollm2:135m"), ...asked })).object;
console.log(JSON.stringify(found));
