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
      return Array.isArray(kept) ? kept : [];
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
