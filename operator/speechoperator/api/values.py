"""The kinds of single values in the custom resource: counts, quantities, durations, names, addresses."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, WithJsonSchema

from speechoperator.api import durations
from speechoperator.api.rules import Text
from speechoperator.kube import quantities

_INT32 = 2**31 - 1
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL})*"
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_QUALIFIED = rf"({_HOST}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"


def _between(shortest: str, longest: str) -> str:
    return f"duration(self) >= duration('{shortest}') && duration(self) <= duration('{longest}')"


def _digits(given: object) -> object:
    """Let a whole number be a quantity, as Kubernetes does in `resources`."""
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


Flag = StrictBool
Count = Annotated[StrictInt, Field(ge=0, le=_INT32, json_schema_extra={"format": "int32"})]
Positive = Annotated[StrictInt, Field(ge=1, le=_INT32, json_schema_extra={"format": "int32"})]
Port = Annotated[StrictInt, Field(ge=1, le=65535, json_schema_extra={"format": "int32"})]

Size = Annotated[
    str,
    Text(
        quantities.PATTERN,
        "must be a size above zero, such as 10Gi or 500M",
        longest=32,
        more="quantity(self).isGreaterThan(quantity('0'))",
        holds=lambda text: quantities.value(text) > 0,
    ),
    AfterValidator(quantities.canonical),
]
"""Bytes, as a Kubernetes quantity in its canonical form."""

_AMOUNT = Text(
    quantities.PATTERN,
    "must be a quantity such as 500m, 4 or 16Gi",
    longest=32,
    more="quantity(string(self)).compareTo(quantity('0')) >= 0",
    holds=lambda text: quantities.value(text) >= 0,
)
Amount = Annotated[
    str,
    BeforeValidator(_digits),
    _AMOUNT,
    AfterValidator(quantities.canonical),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": _AMOUNT.longest,
            "x-kubernetes-validations": [{"rule": _AMOUNT.cel("string(self)"), "message": _AMOUNT.message}],
        }
    ),
]
"""A quantity of any resource, in its canonical form; given as text or as a whole number."""

Wait = Annotated[
    str,
    Text(
        durations.PATTERN,
        "must be a duration from 1s to 24h, such as 300s, 5m or 1h30m",
        longest=16,
        more=_between("1s", "24h"),
        holds=lambda text: 1 <= durations.seconds(text) <= 24 * 3600,
    ),
]
"""A duration that something waits for."""

KeepAlive = Annotated[
    str,
    Text(
        rf"-1|{durations.PATTERN}",
        "must be a duration such as 30m, or -1 to keep the model loaded for ever",
        longest=16,
    ),
]
"""How long something is kept."""

Url = Annotated[
    str,
    Text(
        rf"https?://([A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:{_PORT})?(/[^ ?#]*)?",
        "must be an address such as http://whisper.example.com:9000",
        longest=2048,
    ),
]
PIPELINE_NAME = Text(
    "[a-z]([-a-z0-9]{0,38}[a-z0-9])?",
    "must start with a small letter, have small letters, digits and '-' only, and at most 40 characters: the names of "
    "the pipeline's objects are made from it",
)
PipelineName = Annotated[str, PIPELINE_NAME]
Host = Annotated[str, Text(_HOST, "must be a host name in small letters, such as speech.example.com")]
ObjectName = Annotated[str, Text(_HOST, "must be the name of an object: small letters, digits, '-' and '.'")]
ClassName = Annotated[
    str, Text(rf"({_HOST})?", "must be the name of a class (small letters, digits, '-' and '.'), or empty for none")
]
SectionName = Annotated[str, Text(_HOST, "must be the name of one of the Gateway's listeners")]
Namespace = Annotated[str, Text(_LABEL, "must be the name of a namespace", longest=63)]
ResourceName = Annotated[str, Text(_QUALIFIED, "must be the name of a resource, such as nvidia.com/gpu", longest=317)]
Image = Annotated[
    str,
    Text(
        r"[A-Za-z0-9][-A-Za-z0-9._:/]*(@sha256:[0-9a-f]{64})?",
        "must be the name of an image, such as speechpipeline/bridge:0.1.0",
        longest=512,
    ),
]
WhisperModel = Annotated[
    str,
    Text(
        r"[A-Za-z0-9/][-A-Za-z0-9._/]*",
        "must be a size such as small, the name of a model on a hub, or a folder of the image such as /models/tiny.en",
    ),
]
OllamaModel = Annotated[
    str,
    Text(
        rf"([A-Za-z0-9][-A-Za-z0-9._]*(:{_PORT})?/)?([A-Za-z0-9_][-A-Za-z0-9._]*/)*"
        r"[A-Za-z0-9_][-A-Za-z0-9._]*(:[A-Za-z0-9_][-A-Za-z0-9._]*)?",
        "must be the name of a model as Ollama writes it, such as qwen3:4b or registry.example.com:5000/library/llama3",
    ),
]
VariableName = Annotated[
    str, Text(r"[A-Za-z_.-][A-Za-z0-9_.-]*", "must be the name of an environment variable, such as LOG_LEVEL")
]
LabelValue = Annotated[str, Field(max_length=63)]
LongText = Annotated[str, Field(max_length=32768)]
Anything = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""An object that Kubernetes itself checks, when the operator applies what it is part of."""
