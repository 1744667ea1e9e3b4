"""Types of single values in the custom resource: counts, quantities, durations, names, URLs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, WithJsonSchema

from speechoperator.api import durations
from speechoperator.api.rules import TextRule
from speechoperator.kube import quantities

_INT32 = 2**31 - 1
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL})*"
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_QUALIFIED = rf"({_HOST}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"


def _between(shortest: str, longest: str) -> str:
    return f"duration(self) >= duration('{shortest}') && duration(self) <= duration('{longest}')"


def _digits(given: object) -> object:
    """Accept an integer as a quantity, as Kubernetes does in `resources`."""
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


Flag = StrictBool
Count = Annotated[StrictInt, Field(ge=0, le=_INT32, json_schema_extra={"format": "int32"})]
Positive = Annotated[StrictInt, Field(ge=1, le=_INT32, json_schema_extra={"format": "int32"})]
Port = Annotated[StrictInt, Field(ge=1, le=65535, json_schema_extra={"format": "int32"})]

Size = Annotated[
    str,
    TextRule(
        quantities.PATTERN,
        "must be a size greater than zero, such as 10Gi or 500M",
        max_length=32,
        extra_cel="quantity(self).isGreaterThan(quantity('0'))",
        holds=lambda text: quantities.value(text) > 0,
    ),
    AfterValidator(quantities.canonical),
]
"""Bytes, as a Kubernetes quantity in its canonical form."""

_QUANTITY = TextRule(
    quantities.PATTERN,
    "must be a quantity such as 500m, 4 or 16Gi",
    max_length=32,
    extra_cel="quantity(string(self)).compareTo(quantity('0')) >= 0",
    holds=lambda text: quantities.value(text) >= 0,
)
Quantity = Annotated[
    str,
    BeforeValidator(_digits),
    _QUANTITY,
    AfterValidator(quantities.canonical),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": _QUANTITY.max_length,
            "x-kubernetes-validations": [{"rule": _QUANTITY.cel("string(self)"), "message": _QUANTITY.message}],
        }
    ),
]
"""A quantity of any resource, in its canonical form; given as a string or an integer."""

Duration = Annotated[
    str,
    TextRule(
        durations.PATTERN,
        "must be a duration from 1s to 24h, such as 300s, 5m or 1h30m",
        max_length=16,
        extra_cel=_between("1s", "24h"),
        holds=lambda text: 1 <= durations.seconds(text) <= 24 * 3600,
    ),
]
"""A timeout or another duration, between one second and one day."""

Clock = Annotated[
    str, TextRule("([01][0-9]|2[0-3]):[0-5][0-9]", "must be a time of day from 00:00 to 23:59", max_length=5)
]
"""A time of day, in hours and minutes."""


TimeZone = Annotated[
    str,
    TextRule(
        r"[A-Za-z][-+A-Za-z0-9_]*(/[A-Za-z][-+A-Za-z0-9_]*){0,2}",
        "must be the name of a time zone, such as Europe/Berlin or UTC",
        max_length=64,
    ),
]
"""The form of a name in the IANA database. Whether there is one is reported in the status: CEL cannot look it up."""

KeepAlive = Annotated[
    str,
    TextRule(
        rf"-1|{durations.PATTERN}",
        "must be a duration such as 30m, or -1 to keep the model loaded indefinitely",
        max_length=16,
    ),
]
"""How long a model stays loaded."""

Url = Annotated[
    str,
    TextRule(
        rf"https?://([A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:{_PORT})?(/[^ ?#]*)?",
        "must be a URL such as http://whisper.example.com:9000",
        max_length=2048,
    ),
]
PIPELINE_NAME = TextRule(
    "[a-z]([-a-z0-9]{0,38}[a-z0-9])?",
    "must start with a lowercase letter, contain only lowercase letters, digits and '-', and have at most 40 "
    "characters: the names of the pipeline's objects are derived from it",
)
PipelineName = Annotated[str, PIPELINE_NAME]
Host = Annotated[str, TextRule(_HOST, "must be a lowercase host name, such as speech.example.com")]
ObjectName = Annotated[str, TextRule(_HOST, "must be an object name: lowercase letters, digits, '-' and '.'")]
ClassName = Annotated[
    str,
    TextRule(rf"({_HOST})?", "must be a class name (lowercase letters, digits, '-' and '.'), or empty for no class"),
]
SectionName = Annotated[str, TextRule(_HOST, "must be the name of a listener of the Gateway")]
Namespace = Annotated[str, TextRule(_LABEL, "must be a namespace name", max_length=63)]
ScheduleName = Annotated[
    str, TextRule(_LABEL, "must be a name of lowercase letters, digits and '-', such as office-hours", max_length=63)
]
ResourceName = Annotated[str, TextRule(_QUALIFIED, "must be a resource name, such as nvidia.com/gpu", max_length=317)]
Image = Annotated[
    str,
    TextRule(
        r"[A-Za-z0-9][-A-Za-z0-9._:/]*(@sha256:[0-9a-f]{64})?",
        "must be an image name, such as speechpipeline/bridge:0.1.0",
        max_length=512,
    ),
]
NodePath = Annotated[
    str,
    TextRule(
        r"(/[A-Za-z0-9_][-A-Za-z0-9._]*)+",
        "must be an absolute path such as /var/lib/speechpipeline, without a slash at its end",
        max_length=1024,
    ),
]
WhisperModel = Annotated[
    str,
    TextRule(
        r"[A-Za-z0-9/][-A-Za-z0-9._/]*",
        "must be a size such as small, the name of a Hugging Face model, or a directory in the image such as "
        "/models/tiny.en",
    ),
]
OllamaModel = Annotated[
    str,
    TextRule(
        rf"([A-Za-z0-9][-A-Za-z0-9._]*(:{_PORT})?/)?([A-Za-z0-9_][-A-Za-z0-9._]*/)*"
        r"[A-Za-z0-9_][-A-Za-z0-9._]*(:[A-Za-z0-9_][-A-Za-z0-9._]*)?",
        "must be an Ollama model name, such as qwen3:4b or registry.example.com:5000/library/llama3",
    ),
]
VariableName = Annotated[
    str, TextRule(r"[A-Za-z_.-][A-Za-z0-9_.-]*", "must be an environment variable name, such as LOG_LEVEL")
]
DataKey = Annotated[
    str, TextRule(r"[-._A-Za-z0-9]+", "must be a key of a Secret or ConfigMap: letters, digits, '-', '_' and '.'")
]
LabelValue = Annotated[str, Field(max_length=63)]
LongText = Annotated[str, Field(max_length=32768)]
AnyObject = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""An object copied into a manifest unchanged; the API server validates it there."""
