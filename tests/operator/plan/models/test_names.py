"""Model names are compared as Ollama does."""

import math

import pytest

from speechoperator.plan.models.names import canonical, parameters

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "same", ["llama3", "llama3:latest", "Llama3", "library/llama3", "registry.ollama.ai/library/llama3:latest"]
)
def test_equal_models_have_the_same_canonical_name(same: str) -> None:
    assert canonical(same) == "llama3:latest"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("qwen3:4b", "qwen3:4b"),
        ("team/llama3", "team/llama3:latest"),
        ("registry:5000/library/llama3", "registry:5000/library/llama3:latest"),
        ("registry:5000/library/llama3:8b", "registry:5000/library/llama3:8b"),
    ],
)
def test_other_hosts_namespaces_and_tags_are_kept(name: str, expected: str) -> None:
    assert canonical(name) == expected


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("qwen3:4b", 4),
        ("smollm2:135m", 0.135),
        ("mixtral:8x7b", 56),
        ("llama3.2:3b-instruct-q4_K_M", 3),
        ("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", 1),
        ("deepseek-r1:1.5b", 1.5),
        ("llama3", math.inf),
        ("registry:5000/library/phi4", math.inf),
        ("nomic-embed-text:v1.5", math.inf),
    ],
)
def test_the_size_of_a_model_is_what_its_name_says(name: str, billions: float) -> None:
    assert parameters(name) == pytest.approx(billions)
