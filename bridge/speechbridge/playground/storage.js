// The storage of the browser; in memory, for as long as the page is open, where it is blocked.

export const local = storage("localStorage");
export const session = storage("sessionStorage");

function storage(name) {
  try {
    return window[name];
  } catch {
    return inMemory();
  }
}

function inMemory() {
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
    removeItem: (key) => items.delete(key),
  };
}
