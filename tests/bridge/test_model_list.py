"""What a file with a list of models says."""

import pytest

from speechbridge.model_list import ModelList, ModelSettings, parse

pytestmark = pytest.mark.unit

CONTENT = b"""{"models": [
    {"name": " llama3 ", "options": {"num_ctx": 8192}, "keep_alive": "1h"},
    {"name": "qwen3:4b"}
]}"""


def test_models_are_in_the_order_of_the_file_with_their_options() -> None:
    found = parse(CONTENT)

    assert found.names == ("llama3", "qwen3:4b")
    assert found.settings == {
        "llama3": ModelSettings(options={"num_ctx": 8192}, keep_alive="1h"),
        "qwen3:4b": ModelSettings(),
    }


def test_every_change_of_the_file_is_another_revision() -> None:
    assert parse(CONTENT).revision == "4c8e45a741bd730b"
    assert parse(CONTENT + b"\n").revision != parse(CONTENT).revision


def test_a_list_without_models_means_those_of_the_server() -> None:
    assert parse(b'{"models": []}') == ModelList(revision=parse(b'{"models": []}').revision)


def test_members_of_a_newer_release_are_ignored() -> None:
    assert parse(b'{"version": 2, "models": [{"name": "llama3", "weight": 3}]}').names == ("llama3",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON"),
        (b'{"models": [', "Invalid JSON"),
        (b"\xff", "Invalid JSON"),
        (b"[" * 10_000, "Invalid JSON"),
        (b"[]", "Input should be an object"),
        (b"{}", "models: Field required"),
        (b'{"models": "llama3"}', "models: Input should be a valid array"),
        (b'{"models": ["llama3"]}', r"models\.0: Input should be an object"),
        (b'{"models": [{"options": {}}]}', r"models\.0\.name: Field required"),
        (b'{"models": [{"name": " "}]}', r"models\.0\.name: String should have at least 1 character"),
        (b'{"models": [{"name": "a", "options": 1}]}', r"models\.0\.options: Input should be an object"),
        (b'{"models": [{"name": "a", "keep_alive": 5}]}', r"models\.0\.keep_alive: Input should be a valid string"),
    ],
)
def test_what_is_no_list_of_models_is_rejected_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}"):
        parse(content)
