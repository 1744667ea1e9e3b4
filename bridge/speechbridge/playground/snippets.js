// The request as a program: curl, Python, JavaScript. The API key is read from the environment, never written out.

/**
 * `url` is the address of /process, `fields` its text fields as `[name, value]`, `file` the name of the recording, and
 * `key` whether the service requires an API key.
 */
export const SNIPPETS = { curl, python, javascript };

function curl({ url, fields, file, key }) {
  // --form-string: with -F, a text that begins with @ or < is read from a file.
  const texts = [...fields, ["stream", "true"]].map(([name, value]) => `--form-string ${shell(`${name}=${value}`)}`);
  const path = /[\\",;]/.test(file) ? `"${file.replace(/[\\"]/g, "\\$&")}"` : file;
  const header = key ? ['-H "Authorization: Bearer $API_KEY"'] : [];
  return [`curl -N ${shell(url)}`, ...header, ...texts, `-F ${shell(`file=@${path}`)}`].join(" \\\n  ");
}

function shell(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

// JSON's strings are valid in Python and JavaScript: neither has an escape sequence with another meaning.
const quoted = JSON.stringify;

function python({ url, fields, file, key }) {
  const data = fields.map(([name, value]) => `            ${quoted(name)}: ${quoted(value)},\n`).join("");
  return [
    ...(key ? ["import os", ""] : []),
    "import requests",
    "",
    `with open(${quoted(file)}, "rb") as recording:`,
    "    response = requests.post(",
    `        ${quoted(url)},`,
    ...(key ? [`        headers={"Authorization": f"Bearer {os.environ['API_KEY']}"},`] : []),
    `        data={\n${data}        },`,
    '        files={"file": recording},',
    "    )",
    "response.raise_for_status()",
    "answer = response.json()",
    'print(answer["transcription"])',
    'print(answer["response"])',
  ].join("\n");
}

/** With `stream`: Node's fetch gives up after five minutes without a byte of the response; a stream has keep-alives. */
function javascript({ url, fields, file, key }) {
  return [
    'import { openAsBlob } from "node:fs"; // Node 20 or newer, in a file that ends in .mjs',
    "",
    "const form = new FormData();",
    ...[...fields, ["stream", "true"]].map(([name, value]) => `form.append(${quoted(name)}, ${quoted(value)});`),
    `form.append("file", await openAsBlob(${quoted(file)}), ${quoted(file)});`,
    "",
    `const response = await fetch(${quoted(url)}, {`,
    '  method: "POST",',
    ...(key ? ["  headers: { Authorization: `Bearer ${process.env.API_KEY}` },"] : []),
    "  body: form,",
    "});",
    "if (!response.ok) throw new Error(await response.text());",
    "",
    "const events = await response.text(); // server-sent events, the last with the answer",
    String.raw`const [, done] = events.match(/^event: response\.done\ndata: ([^\n]*)/m) ?? [];`,
    String.raw`const [, error] = events.match(/^event: error\ndata: ([^\n]*)/m) ?? [];`,
    'if (!done) throw new Error(error ?? "The answer is incomplete.");',
    "const answer = JSON.parse(done);",
    "console.log(answer.transcription);",
    "console.log(answer.response);",
  ].join("\n");
}
