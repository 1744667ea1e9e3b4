// The request as code, in the chosen language.

import { apiKey } from "./bridge.js";
import { $ } from "./dom.js";
import { fields } from "./request.js";
import { SNIPPETS } from "./snippets.js";

/** Shows the request for options and the name of a recording. */
export function showSnippet(options, file = "recording.wav") {
  const { value: language } = document.querySelector("input[name=snippet]:checked");
  const url = new URL("process", document.baseURI).href;
  $("snippet").textContent = SNIPPETS[language]({ url, fields: fields(options), file, key: apiKey.get() !== "" });
}
