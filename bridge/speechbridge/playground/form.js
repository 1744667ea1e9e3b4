// The form: the options of a request, and what changes with its state.

import { apiKey, languageModels } from "./bridge.js";
import { $ } from "./dom.js";
import { languages } from "./languages.js";
import { connectPresets } from "./presets.js";

/** The options as in request.js. */
export function options() {
  return {
    prompt: $("prompt").value,
    model: $("model").value,
    language: $("language").value,
    vocabulary: $("vocabulary").value,
    translate: $("translate").checked,
    separate: $("separate").checked,
  };
}

/** Fills the form; `changed` is called after changes that no input event reports, such as new models. */
export function connectForm(changed) {
  fill($("language"), [["", "Detect"], ...languages()]);
  connectPresets($("presets"), $("prompt"));
  if (/Mac|iPhone|iPad/.test(navigator.userAgent)) $("keys").querySelector("kbd").textContent = "⌘";
  $("api-key").addEventListener("change", async () => {
    apiKey.set($("api-key").value);
    await loadModels();
    changed();
  });
}

function fill(select, entries) {
  const { value } = select;
  select.replaceChildren(...entries.map(([key, text]) => new Option(text, key)));
  if (entries.some(([key]) => key === value)) select.value = value;
}

/** Asks the bridge for its language models. */
export async function loadModels() {
  const names = await languageModels();
  if (names === null) askForKey();
  if (names?.length) fill($("model"), names.map((name) => [name, name]));
}

/** Shows the field for the API key, which is hidden until the service requires one. */
export function askForKey() {
  if (!$("key-field").hidden) return; // do not overwrite what is being typed
  $("key-field").hidden = false;
  $("api-key").value = apiKey.get();
}

/** Locks the form while a request runs. */
export function setBusy(busy) {
  const focused = document.activeElement ?? document.body;
  $("inputs").disabled = busy;
  $("run").disabled = busy;
  $("keys").hidden = busy;
  $("cancel").hidden = !busy;
  $("history").inert = busy;
  if (busy) $("cancel").focus({ preventScroll: true });
  else if ([$("cancel"), document.body].includes(focused)) $("run").focus({ preventScroll: true }); // else the reader has moved on
}
