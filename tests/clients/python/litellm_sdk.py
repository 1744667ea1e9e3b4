"""litellm's SDK: transcriptions in all formats, a chat, and a prompt that is too long."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import litellm

base, recording = f"{sys.argv[1]}/v1", Path(sys.argv[2])
server = {"api_base": base, "api_key": "unused"}
said = {}
for form in ("json", "text", "srt", "vtt", "verbose_json"):
    with recording.open("rb") as file:
        answer = litellm.transcription(model="openai/whisper-1", file=file, response_format=form, **server)
    said[form] = answer.text
asked = {"model": "openai/smollm2:135m", "max_tokens": 8, **server}
question = [{"role": "user", "content": "Say hello."}]
answer = litellm.completion(messages=question, **asked)
pieces = [piece.choices[0].delta.content or "" for piece in litellm.completion(messages=question, stream=True, **asked)]
try:
    litellm.completion(messages=[{"role": "user", "content": "word " * 20_000}], **asked)
    too_long = "no error"
except litellm.ContextWindowExceededError as error:
    too_long = type(error).__name__
found = {"transcripts": said, "answer": answer.choices[0].message.content, "streamed": "".join(pieces)}
print(json.dumps({**found, "too_long": too_long}))
