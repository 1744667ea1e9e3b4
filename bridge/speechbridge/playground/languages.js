// The languages that Whisper supports: the keys of LANGUAGES in openai/whisper, whisper/tokenizer.py.

const CODES = `af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu
hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk
sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh`.split(/\s+/);

const UNNAMED = { ba: "Bashkir", bo: "Tibetan", jw: "Javanese" }; // missing in some browsers; jw is a code of Whisper

/** `[code, name]`, sorted by name. */
export function languages() {
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  const named = CODES.map((code) => [code, UNNAMED[code] ?? names.of(code)]);
  return named.sort(([, one], [, other]) => one.localeCompare(other));
}
