// The form fields of POST /process.

/**
 * The text fields for the options of the form, `[name, value]` in the order sent. Blank ones are left out, so that the
 * bridge applies its defaults; the file follows them, so that the bridge has the options when the audio arrives.
 */
export function fields({ prompt = "", model = "", language = "", vocabulary = "", translate, separate }) {
  const all = [
    ["prompt", prompt],
    ["model", model],
    ["language", language],
    ["hotwords", vocabulary],
    ["task", translate ? "translate" : ""],
    ["channels", separate ? "separate" : ""],
  ];
  return all.filter(([, value]) => value.trim() !== "");
}
