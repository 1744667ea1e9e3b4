"""Deletes the weights of other models from a volume that one pipeline has for itself."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from speechwhisper.weights import volume_lock
from speechwhisper.weights.names import MANIFEST, folder_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LEFT_BEHIND = frozenset({".partial", ".old"})


class _LockedError(Exception):
    """Another process fetches these weights."""


def remove_others(model: str, into: Path) -> dict[str, str]:
    """Delete weights of other models that came from a hub, and what interrupted downloads of them have left.

    Weights from a folder or a web server stay, because a hub may not have them, and so do those that another process
    fetches now.

    Args:
        model: The model whose weights stay.
        into: The volume.

    Returns:
        Why the weights could not be deleted, by the name of their folder; empty if they were.

    Raises:
        OSError: The volume cannot be read.
    """
    removed = {}
    for name in sorted(_others(folder_name(model), into)):
        try:
            with volume_lock.held(into / f".{name}.lock", _give_up):
                _remove(name, into)
        except _LockedError:
            continue
        except OSError as error:
            removed[name] = error.strerror or str(error)
        else:
            removed[name] = ""
    return removed


def _others(own: str, into: Path) -> set[str]:
    return {name for name in _names(into) if name != own}


def _names(into: Path) -> Iterator[str]:
    for path in into.iterdir():
        if path.name.startswith(".") and path.suffix in _LEFT_BEHIND:
            yield path.stem.removeprefix(".")
        elif _from_hub(path):
            yield path.name


def _from_hub(folder: Path) -> bool:
    """Return whether a folder has weights that can be downloaded again."""
    try:
        return bool(json.loads((folder / MANIFEST).read_text())["requested"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _give_up() -> None:
    raise _LockedError


def _remove(name: str, into: Path) -> None:
    """Delete weights; they disappear at once, so that no server finds half of them."""
    folder, old = into / name, into / f".{name}.old"
    if old.exists():
        shutil.rmtree(old)
    if _from_hub(folder):
        folder.rename(old)
        shutil.rmtree(old)
    if (partial := into / f".{name}.partial").exists():
        shutil.rmtree(partial)
    (into / f".{name}.lock").unlink(missing_ok=True)
