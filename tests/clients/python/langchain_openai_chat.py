"""langchain-openai: a chat by both APIs of OpenAI, an object by a schema, and a prompt that is too long."""

from __future__ import annotations

import json
import sys
from typing import Literal

import langchain_openai
from langchain_core.exceptions import ContextOverflowError
from pydantic import BaseModel


class Mood(BaseModel):
    mood: Literal["good", "bad"]


server = {"base_url": f"{sys.argv[1]}/v1", "api_key": "unused", "model": "smollm2:135m", "max_tokens": 8}
found = {}
for name, responses in (("chat", False), ("responses", True)):
    chat = langchain_openai.ChatOpenAI(use_responses_api=responses, **server)
    found[name] = chat.invoke("Say hello.").text
    found[f"{name}_streamed"] = "".join(piece.text for piece in chat.stream("Say hello."))
objects = langchain_openai.ChatOpenAI(**{**server, "max_tokens": 64})
found["object"] = objects.with_structured_output(Mood, method="json_schema").invoke("How are you?").model_dump()
try:
    langchain_openai.ChatOpenAI(**server).invoke("word " * 20_000)
    found["too_long"] = "no error"
except ContextOverflowError as error:
    found["too_long"] = type(error).__name__
print(json.dumps(found))
