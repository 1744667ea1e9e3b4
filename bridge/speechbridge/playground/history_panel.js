// The list of past results.

import { $, element } from "./dom.js";
import { clock } from "./format.js";
import { History } from "./history.js";
import { local } from "./storage.js";

const WORDS = 60; // characters of the transcript that are shown

/** Results of this browser; `open` is called with one that is chosen. */
export class HistoryPanel {
  #history = new History(local);
  #open;

  constructor(open) {
    this.#open = open;
    $("clear-history").addEventListener("click", () => $("confirm").showModal());
    $("confirm").addEventListener("close", () => {
      if ($("confirm").returnValue === "yes") {
        this.#change(() => this.#history.clear());
        $("history-title").focus(); // the button is hidden
      }
      $("confirm").returnValue = "";
    });
    this.#show();
  }

  /** Keeps a result that has a transcript. */
  add(result) {
    if (result.transcription) this.#change(() => this.#history.add(result));
  }

  #change(change) {
    change();
    this.#show();
  }

  #show() {
    const results = this.#history.list();
    $("history").replaceChildren(...results.map((result) => this.#item(result)));
    $("clear-history").hidden = results.length === 0;
  }

  #item(result) {
    const when = new Date(result.at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const seconds = result.final?.audio_seconds;
    const open = element(
      "button",
      { type: "button", className: "entry" },
      element("span", { className: "entry-words", dir: "auto", textContent: excerpt(result.transcription) }),
      element("span", { className: "hint", textContent: [when, result.name, seconds && clock(seconds)].filter(Boolean).join(" · ") }),
    );
    open.addEventListener("click", () => this.#open(result));
    const label = `Delete the result of ${when}`;
    const remove = element("button", { type: "button", className: "quiet remove", ariaLabel: label, title: label, textContent: "×" });
    remove.addEventListener("click", () => {
      const at = [...$("history").children].indexOf(remove.parentElement);
      this.#change(() => this.#history.remove(result.at));
      const next = $("history").children[at] ?? $("history").lastElementChild;
      (next?.querySelector(".remove") ?? $("history-title")).focus(); // the focus would be lost with its button
    });
    return element("li", {}, open, remove);
  }
}

function excerpt(text) {
  return text.length > WORDS ? `${text.slice(0, WORDS).trimEnd()}…` : text;
}
