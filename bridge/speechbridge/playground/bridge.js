// The client of the bridge. All URLs are relative, so that it works behind a path prefix.

import { readEvents } from "./events.js";
import { fields } from "./request.js";
import { session } from "./storage.js";
import { post } from "./transfer.js";

/** An error with a human-readable message; `code` and `requestId` help to find its cause. */
export class Problem extends Error {
  constructor(message, { code = "", requestId = "" } = {}) {
    super(message);
    this.code = code;
    this.requestId = requestId;
  }
}

const KEY = "speech-api-key"; // for this tab only

/** The API key sent with every request to the API; empty: none. */
export const apiKey = {
  get: () => session.getItem(KEY) ?? "",
  set: (value) => session.setItem(KEY, value.trim()),
};

/** The headers with the API key. Throws Problem if it has a character that no header can hold. */
function authorization() {
  const key = apiKey.get();
  const [unsendable] = key.match(/[^\x20-\x7e\xa0-\xff]/u) ?? [];
  if (unsendable) {
    const code = unsendable.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    throw new Problem(`The API key has a character that cannot be sent (U+${code}). Copy the key again.`, { code: "invalid_api_key" });
  }
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/**
 * Sends a recording and yields `{name, data}`: first `open` with the request id, then the events of the bridge.
 * `onUpload` gets the share that has been sent. Throws Problem, or the signal's AbortError.
 */
export async function* processAudio(file, options, { signal, onUpload }) {
  const form = new FormData();
  for (const [name, value] of [...fields(options), ["stream", "true"]]) form.append(name, value);
  form.append("file", file, file.name);

  const response = await send(form, file, { signal, onUpload });
  const requestId = response.header("X-Request-ID") ?? "";
  if (response.status !== 200) throw await refusal(response, requestId);
  yield { name: "open", data: { requestId } };

  let complete = false;
  try {
    for await (const event of readEvents(response.text)) {
      complete ||= event.name === "response.done" || event.name === "error";
      yield event;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    complete = false;
  }
  if (!complete) throw new Problem("The connection was closed before the answer was complete.", { requestId });
}

async function send(form, file, { signal, onUpload }) {
  const headers = { Accept: "text/event-stream", ...authorization() };
  try {
    return await post("process", form, { headers, signal, onUpload });
  } catch (error) {
    if (signal.aborted) throw error;
    const readable = await file.slice(0, 1).arrayBuffer().then(() => true, () => false);
    throw new Problem(
      readable
        ? "The bridge does not respond. Check that it is running and reachable."
        : `${file.name} can no longer be read: it was moved or changed. Choose it again.`,
    );
  }
}

async function refusal(response, requestId) {
  const problem = await new Response(response.text.pipeThrough(new TextEncoderStream())).json().catch(() => ({})); // proxies answer in HTML
  const retry = response.header("Retry-After");
  const message = problem.detail ?? problem.title ?? `The service responded with ${response.status} ${response.statusText}.`;
  const addRetry = /^\d+$/.test(retry ?? "") && !/try again/i.test(message);
  return new Problem(addRetry ? `${message} Try again in ${retry} s.` : message, {
    code: problem.code ?? `http_${response.status}`,
    requestId: problem.request_id ?? requestId,
  });
}

/** The language models, the default first; empty while unavailable; null: a valid API key is required. */
export async function languageModels() {
  try {
    const response = await fetch("v1/models", { headers: authorization() });
    if (response.status === 401) return null;
    const { data } = await response.json();
    return data.filter((model) => model.kind !== "transcription").map((model) => model.id);
  } catch (error) {
    if (error instanceof Problem) return null; // the key cannot be sent
    return []; // unavailable: the bridge chooses its default
  }
}

/** `{ready, components: [{name, ready, detail}]}`; the body is the same for 200 and 503. */
export async function readiness() {
  try {
    const { status, components } = await (await fetch("readyz", { cache: "no-store" })).json();
    const list = Object.entries(components).map(([name, component]) => ({ name, ...component }));
    return { ready: status === "ready", components: list };
  } catch {
    return { ready: false, components: [{ name: "bridge", ready: false, detail: "does not respond" }] };
  }
}
