"""The names of models: sizes, repositories on the hub, and the folders of fetched weights."""

from __future__ import annotations

from pathlib import Path

HUB_NAMES = {
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "tiny": "Systran/faster-whisper-tiny",
    "base.en": "Systran/faster-whisper-base.en",
    "base": "Systran/faster-whisper-base",
    "small.en": "Systran/faster-whisper-small.en",
    "small": "Systran/faster-whisper-small",
    "medium.en": "Systran/faster-whisper-medium.en",
    "medium": "Systran/faster-whisper-medium",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""The repository of each size: a copy of `faster_whisper.utils._MODELS`, whose import takes seconds."""

MANIFEST = "fetched.json"
"""The file in a folder of fetched weights that says what they are. It is written last."""

WEIGHTS = "model.bin"
REQUIRED = ("config.json", WEIGHTS)
OPTIONAL = ("preprocessor_config.json", "tokenizer.json")
VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
"""The files of CTranslate2 weights (`download_model` in `faster_whisper/utils.py`); of the vocabularies, one."""


def folder_name(model: str) -> str:
    """Return the name of the folder with a model's weights, which a size shares with its repository."""
    return HUB_NAMES.get(model, model).strip("/").replace("/", "--")


def find(model: str, root: str | Path) -> Path | None:
    """Return the folder with the fetched weights of a model, None if there are none.

    Args:
        model: A size or the name of a repository.
        root: The folder that the weights were fetched into; empty for none.
    """
    folder = Path(root) / folder_name(model)
    return folder if root and (folder / MANIFEST).is_file() else None


def find_in_hub_cache(model: str, root: Path) -> Path | None:
    """Return the snapshot of a model in a cache folder of huggingface_hub, None if there is no complete one.

    A file appears in a snapshot once it is complete.
    Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    repository = root / f"models--{folder_name(model)}"
    try:
        revision = (repository / "refs" / "main").read_text().strip()
    except OSError:
        return None
    snapshot = repository / "snapshots" / revision
    complete = all((snapshot / name).is_file() for name in REQUIRED)
    complete = complete and any((snapshot / name).is_file() for name in VOCABULARIES)
    return snapshot if complete else None
