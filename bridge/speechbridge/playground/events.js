// Server-sent events from the response of a POST: EventSource can only GET.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

/** Parses text, split anywhere, into events `{name, data}`; `data` is a string. */
export class EventParser {
  #rest = "";
  #endedInReturn = false;
  #name = "";
  #data = [];

  *push(text) {
    if (!text) return;
    const skipLineFeed = this.#endedInReturn && text.startsWith("\n"); // a split CRLF
    this.#endedInReturn = text.endsWith("\r");
    const lines = (this.#rest + (skipLineFeed ? text.slice(1) : text)).split(/\r\n|\r|\n/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "") yield* this.#dispatch();
      else this.#field(line);
    }
  }

  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: keep-alive
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
  }

  *#dispatch() {
    if (this.#data.length) yield { name: this.#name || "message", data: this.#data.join("\n") };
    this.#name = "";
    this.#data = [];
  }
}

/** Yields the events of a stream of text as they arrive, `data` parsed as JSON. */
export async function* readEvents(text) {
  const parser = new EventParser();
  const reader = text.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const { name, data } of parser.push(value)) yield { name, data: JSON.parse(data) };
    }
  } finally {
    reader.cancel().catch(() => {}); // cancels the request when the caller stops reading; fails if it was aborted
  }
}
