// Past results, kept in this browser. The recordings themselves are not kept.

const KEY = "speech-history";
const KEPT = 20;
const LIMIT = 2_000_000; // characters: browsers allow some five million for all pages of the origin

/** The newest results, newest first; `storage` is a Storage such as localStorage. */
export class History {
  #storage;

  constructor(storage) {
    this.#storage = storage;
  }

  list() {
    try {
      const kept = JSON.parse(this.#storage.getItem(KEY) ?? "[]");
      return Array.isArray(kept) ? kept.filter(isResult) : [];
    } catch {
      return []; // not written by this page
    }
  }

  /** Adds a result in place of one with the same time; the oldest go when there are too many or storage is full. */
  add(result) {
    const others = this.list().filter(({ at }) => at !== result.at);
    for (let kept = [result, ...others].slice(0, KEPT); kept.length > 0; kept = kept.slice(0, -1)) {
      if (this.#write(kept)) return;
    }
  }

  remove(at) {
    this.#write(this.list().filter((result) => result.at !== at));
  }

  clear() {
    this.#write([]);
  }

  #write(results) {
    const text = JSON.stringify(results);
    if (text.length > LIMIT) return false;
    try {
      if (results.length) this.#storage.setItem(KEY, text);
      else this.#storage.removeItem(KEY);
      return true;
    } catch {
      return false; // full
    }
  }
}

/** Whether an entry has what this page reads of a result: other pages of the origin can write to the same storage. */
function isResult(entry) {
  const texts = ["at", "name", "state", "phase", "transcription", "answer"];
  return (
    isObject(entry) &&
    texts.every((name) => typeof entry[name] === "string") &&
    isListOf(entry.segments, ({ text }) => typeof text === "string") &&
    isListOf(entry.warnings, ({ message }) => typeof message === "string") &&
    [entry.final, entry.problem].every((part) => part === null || isObject(part))
  );
}

function isListOf(list, accepts) {
  return Array.isArray(list) && list.every((item) => isObject(item) && accepts(item));
}

function isObject(value) {
  return typeof value === "object" && value !== null;
}
