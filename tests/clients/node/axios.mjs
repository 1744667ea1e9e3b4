// axios with form-data and the file as a Buffer; the program ends by itself once it has its answer.

import fs from "node:fs";
import axios from "axios";
import FormData from "form-data";

const [base, recording] = process.argv.slice(2);
const form = new FormData();
form.append("prompt", "Repeat.");
form.append("file", fs.readFileSync(recording), "voice.wav");
const { data } = await axios.post(`${base}/process`, form, { headers: form.getHeaders(), maxBodyLength: Infinity });
console.log(JSON.stringify({ transcription: data.transcription, model: data.model }));
