"""The options that requests carry to each model, from the spec to the bridge's settings and back."""

from typing import Any

import pytest

from cluster.pipelines import of_ollama, pipeline
from speechoperator.api import SpeechPipeline
from speechoperator.plan.models.request_options import ModelOptions, models, parameters, settings

pytestmark = pytest.mark.unit


def sent(model: dict[str, Any], **ollama: Any) -> dict[str, Any]:
    """What requests to the model `m` carry."""
    spec = SpeechPipeline.parse(pipeline(of_ollama(models=[{"name": "m", **model}], **ollama))).spec.ollama
    variables = {"MODELS": "m", **settings(spec)}
    return parameters(variables, models(variables)["m"])


def derived(**parameters: Any) -> dict[str, Any]:
    return {"from": "llama3", "parameters": parameters}


@pytest.mark.parametrize(
    ("model", "ollama", "expected"),
    [
        pytest.param({}, {}, {}, id="nothing"),
        pytest.param({}, {"contextLength": 8192}, {"options": {"num_ctx": 8192}}, id="that of all models"),
        pytest.param(
            {"options": {"num_ctx": 4096}}, {"contextLength": 8192}, {"options": {"num_ctx": 4096}}, id="its own"
        ),
        pytest.param(
            derived(num_ctx=4096, top_p=0.9),
            {"contextLength": 8192},
            {"options": {"num_ctx": 4096}},
            id="that of a derived model, which requests without options get as well",
        ),
        pytest.param(derived(num_ctx=4096), {}, {}, id="Ollama knows it"),
        pytest.param(
            derived(num_ctx=4096) | {"options": {"num_ctx": 2048}},
            {"contextLength": 8192},
            {"options": {"num_ctx": 2048}},
            id="its own before that of its definition",
        ),
        pytest.param({"keepAlive": "-1"}, {"keepAlive": "30m"}, {"keep_alive": -1}, id="its own time in memory"),
    ],
)
def test_options_of_a_model(model: dict[str, Any], ollama: dict[str, Any], expected: dict[str, Any]) -> None:
    assert sent(model, **ollama) == expected


@pytest.mark.parametrize("text", ["{oops", "[]", '{"m": 3}', '{"m": {"options": 3}}', '{"m": {"keep_alive": 3}}'])
def test_options_that_cannot_be_parsed_are_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        models({"MODELS": "m", "MODEL_OPTIONS": text})


def test_a_context_length_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="8k"):
        parameters({"CONTEXT_LENGTH": "8k"}, ModelOptions())
