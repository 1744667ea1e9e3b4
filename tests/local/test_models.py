from pathlib import Path

import pytest

from speechlocal import models, paths
from speechlocal.errors import LocalError, MissingError

pytestmark = pytest.mark.unit


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return paths.cache()


def test_both_models_are_there() -> None:
    assert (models.whisper_weights() / "model.bin").stat().st_size > 70e6
    assert models.llm_weights().read_bytes()[:4] == b"GGUF"


def test_the_halves_of_whisper_base_are_joined_once(cache: Path) -> None:
    folder = models.whisper_base_weights()

    assert folder.parent == cache
    assert {file.name for file in folder.iterdir()} == {"model.bin", "config.json", "tokenizer.json", "vocabulary.json"}
    joined_at = (folder / "model.bin").stat().st_mtime_ns
    assert models.whisper_base_weights() == folder
    assert (folder / "model.bin").stat().st_mtime_ns == joined_at


def test_a_damaged_half_leaves_nothing_in_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = {"model.bin": ("0" * 64, models.WHISPER_BASE_FILES["config.json"][1])}
    monkeypatch.setattr(models, "WHISPER_BASE_FILES", damaged)

    with pytest.raises(LocalError, match="expected 0000"):
        models.whisper_base_weights()

    assert [entry.name for entry in cache.iterdir() if entry.is_dir()] == []


def test_a_package_that_is_not_installed_says_what_to_do() -> None:
    with pytest.raises(MissingError, match="no_such_package is not installed") as missing:
        models.package_folder("no_such_package")
    assert "make demo" in missing.value.advice
