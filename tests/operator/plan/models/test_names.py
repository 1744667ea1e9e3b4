"""Model names are compared as Ollama does."""

import pytest

from speechoperator.plan.models.names import canonical

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
