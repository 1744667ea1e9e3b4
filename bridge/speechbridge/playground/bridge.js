// Everything this page says to the bridge. All URLs are relative, so that it works behind a path prefix.

import { readEvents } from "./events.js";

/** What went wrong, in words for a person. `code` and `requestId` are for the operator's search. */
export class Problem extends Error {
  constructor(message, { code = "", requestId = "" } = {}) {
    super(message);
    this.code = code;
    this.requestId = requestId;
  }
}

const KEY = "speech-api-key"; // kept for this tab only

/** The API key that goes with every request to the API; empty: none. */
export const apiKey = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value.trim()),
};

function authorization() {
  return apiKey.get() ? { Authorization: `Bearer ${apiKey.get()}` } : {};
}

/** The fields of POST /process in order; the file is last so that the bridge knows the rest when it comes. */
function fields({ prompt, model, language }) {
  const all = { prompt, model, language, stream: "true" };
  return Object.entries(all).filter(([, value]) => value.trim() !== "");
}

/**
 * Sends a recording and yields `{name, data}`: first `open` with the request's id, then the bridge's events.
 * Throws Problem, or the signal's AbortError.
 */
export async function* processAudio(request, signal) {
  const form = new FormData();
  for (const [name, value] of fields(request)) form.append(name, value);
  form.append("file", request.file, request.file.name);

  const response = await send(form, request.file, signal);
  const requestId = response.headers.get("X-Request-ID") ?? "";
  if (!response.ok) throw await refusal(response, requestId);
  yield { name: "open", data: { requestId } };

  let complete = false;
  try {
    for await (const event of readEvents(response.body)) {
      complete ||= event.name === "response.done" || event.name === "error";
      yield event;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    complete = false;
  }
  if (!complete) throw new Problem("The connection ended before the answer was complete.", { requestId });
}

async function send(form, file, signal) {
  try {
    const headers = { Accept: "text/event-stream", ...authorization() };
    return await fetch("process", { method: "POST", body: form, signal, headers });
  } catch (error) {
    if (signal.aborted) throw error;
    const readable = await file.slice(0, 1).arrayBuffer().then(() => true, () => false);
    throw new Problem(
      readable
        ? "The bridge did not answer. Is it running, and does the network reach it?"
        : `${file.name} can no longer be read. Was it moved or changed? Choose it again.`,
    );
  }
}

async function refusal(response, requestId) {
  const problem = await response.json().catch(() => ({})); // a proxy in between answers in HTML
  const retry = response.headers.get("Retry-After");
  const words = problem.detail ?? problem.title ?? `The service answered ${response.status} ${response.statusText}.`;
  return new Problem(/^\d+$/.test(retry ?? "") ? `${words} Try again in ${retry} s.` : words, {
    code: problem.code ?? `http_${response.status}`,
    requestId: problem.request_id ?? requestId,
  });
}

/** The names of the language models, the default first; none while the bridge cannot tell; null: it wants a key. */
export async function languageModels() {
  try {
    const response = await fetch("v1/models", { headers: authorization() });
    if (response.status === 401) return null;
    const { data } = await response.json();
    return data.filter((model) => model.kind !== "transcription").map((model) => model.id);
  } catch {
    return []; // not there yet, or an error instead of a list: the bridge then chooses its default
  }
}

/** `{ready, parts: [{name, ready, detail}]}`; the same JSON comes with 200 and with 503. */
export async function readiness() {
  try {
    const { status, parts } = await (await fetch("readyz", { cache: "no-store" })).json();
    const list = Object.entries(parts).map(([name, part]) => ({ name, ...part }));
    return { ready: status === "ready", parts: list };
  } catch {
    return { ready: false, parts: [{ name: "bridge", ready: false, detail: "does not answer" }] };
  }
}

/** The request as a command for a POSIX shell. */
export function curlCommand({ file, ...request }) {
  const url = new URL("process", document.baseURI).href;
  const name = file ? file.name : "recording.wav";
  // --form-string: a text that begins with @ or < would otherwise be read from a file.
  const texts = fields(request).map(([field, value]) => `--form-string ${quoted(`${field}=${value}`)}`);
  const path = /[\\",;]/.test(name) ? `"${name.replace(/[\\"]/g, "\\$&")}"` : name;
  const key = apiKey.get() ? ['-H "Authorization: Bearer $API_KEY"'] : [];
  return [`curl -N ${quoted(url)}`, ...key, ...texts, `-F ${quoted(`file=@${path}`)}`].join(" \\\n  ");
}

function quoted(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
