"""Keeps the list of models up to date with its file, such as a mounted ConfigMap: no restart when a model is added."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from speechbridge import model_list
from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.model_list import ModelList, Models

REREAD_S = 2.0


class ModelsFile:
    """The file of the setting MODELS_FILE.

    Args:
        path: Its path.
        models: Where its list is put.
        adopted: Called with each list after it has been put there.
    """

    def __init__(self, path: str, models: Models, adopted: Callable[[ModelList], None]) -> None:
        self._path = Path(path)
        self._models = models
        self._adopted = adopted
        self._problem = ""

    async def run(self) -> None:
        """Read the file again and again."""
        while True:
            await asyncio.sleep(REREAD_S)
            await self.read()

    async def read(self) -> None:
        """Adopt the list in the file if it is another one; of a file that cannot be used, keep the old one.

        It is read in a thread: a network volume may block for long.
        """
        try:
            found = await asyncio.to_thread(model_list.read, self._path)
        except (OSError, ValueError) as error:
            self._warn(str(error))
            return
        self._problem = ""
        if found.revision != self._models.current.revision:
            self._models.current = found
            logs.info("using another list of models", models=list(found.names), revision=found.revision)
            self._adopted(found)

    def _warn(self, problem: str) -> None:
        if problem != self._problem:
            logs.warning("cannot use the list of models, keeping the old one", file=str(self._path), reason=problem)
        self._problem = problem
