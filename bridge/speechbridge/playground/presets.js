// Prompts to start from.

const PRESETS = [
  ["Summary", "Summarise this in one or two sentences."],
  ["Action items", "List the action items as bullet points: who does what, by when. Write “None” if there are none."],
  ["Minutes", "Write minutes: topics, decisions and open questions, each as a short list."],
  ["Title", "Write a title of at most eight words. Answer with the title alone."],
  ["Clean up", "Rewrite this as clean text: punctuation, paragraphs, no filler words. Do not change what is said."],
  ["Translate", "Translate this into German. Answer with the translation alone."],
];

/** Adds a button for each preset to `list`, which writes it to `prompt`; the one that the prompt equals is marked. */
export function connectPresets(list, prompt) {
  const buttons = PRESETS.map(([name, text]) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    button.addEventListener("click", () => {
      prompt.value = text;
      prompt.dispatchEvent(new Event("input", { bubbles: true }));
    });
    return button;
  });
  const mark = () =>
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(prompt.value === PRESETS[index][1])));
  prompt.addEventListener("input", mark);
  list.replaceChildren(...buttons);
  if (prompt.value === "") prompt.value = PRESETS[0][1];
  mark();
}
