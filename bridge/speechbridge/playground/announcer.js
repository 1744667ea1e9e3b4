// What screen readers say about streaming text: whole sentences with pauses between them, not each token.

const PAUSE_MS = 3000;

/** Splits text after its last complete sentence: `[sentences, rest]`. */
export function sentences(text) {
  const end = Math.max(...[...text.matchAll(/[.!?…。！？]["'”’)\]]*(?=\s)|\n/g)].map((match) => match.index + match[0].length), 0);
  return [text.slice(0, end).trim(), text.slice(end)];
}

/** Says the text that is pushed; `say` gets sentences, at most every three seconds by `now`, in milliseconds. */
export class Announcer {
  #say;
  #now;
  #pending = "";
  #saidAt = -Infinity;

  constructor(say, now = () => performance.now()) {
    this.#say = say;
    this.#now = now;
  }

  push(text) {
    this.#pending += text;
    if (this.#now() - this.#saidAt < PAUSE_MS) return;
    const [complete, rest] = sentences(this.#pending);
    if (!complete) return;
    this.#pending = rest;
    this.#saidAt = this.#now();
    this.#say(complete);
  }

  /** Says the rest. */
  flush() {
    if (this.#pending.trim()) this.#say(this.#pending.trim());
    this.reset();
  }

  reset() {
    this.#pending = "";
    this.#saidAt = -Infinity;
  }
}
