"""A reader who types the blocks of a page into bash, in the folder of the repository."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from documentation import Block, blocks
from repository import ROOT
from speechlocal import programs
from speechlocal.children import KEPT_VARIABLES

POLL_S = 0.1
WITHIN_S = 300.0
"""For a block, also on a busy machine."""
SHOWN = 4000
"""Characters of the output that a failure shows."""

GREP = '#!/bin/sh\n/usr/bin/env PATH="${PATH#*:}" grep "$@" || [ $? -eq 1 ]\n'
"""A reader who searches a log for errors and finds none goes on."""


class Reader:
    """Types blocks one after the other: variables, functions and files last, what runs in the background does not.

    The folder has what a checkout has; what the commands write stays in it. `replaced` are texts of the blocks that are
    examples, and what stands for them here, such as the port of a service. `saved` are files by name.
    """

    def __init__(
        self,
        folder: Path,
        tools: Iterable[str] = (),
        *,
        replaced: Mapping[str, str] | None = None,
        saved: Mapping[str, str | bytes] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """`tools`: programs of the local cluster that must be on PATH; `variables`: of the environment."""
        self.folder = folder / "checkout"
        self._state, self._output, self._replaced = folder / "state", folder / "output", replaced or {}
        _check_out(self.folder)
        _install(folder / "bin", tools)
        (home := folder / "home").mkdir()
        path = (folder / "bin", Path(sys.executable).parent, os.environ["PATH"])
        self._environment = {
            **{name: os.environ[name] for name in (*KEPT_VARIABLES, "NO_PROXY", "no_proxy") if name in os.environ},
            "PATH": os.pathsep.join(map(str, path)),
            "HOME": str(home),
            **(variables or {}),
        }
        for name, content in (saved or {}).items():
            self.save(name, content)

    def save(self, name: str, content: str | bytes) -> None:
        """Write a file that a page says the reader has."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def saves(self, name: str, block: Block) -> None:
        """Write a block to the file that the page tells the reader to save it as."""
        self.save(name, self._with_replacements(block))

    def types(self, block: Block, within_s: float = WITHIN_S) -> str:
        """Run a block; what it printed. The test fails if a command fails or the time is up."""
        typed = self._with_replacements(block)
        if block.language == "python":
            self.save("script.py", typed)
            typed = "python script.py"
        script = (
            f'[ ! -f "{self._state}" ] || . "{self._state}"\nset -a\n{typed}\nset +a\n'
            f'{{ export -p; declare -f; }} > "{self._state}"\n'
        )
        with self._output.open("wb") as output:
            shell = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            with _ended(shell):
                why = self._wait(shell, block, within_s)
        said = self._output.read_text(errors="replace")
        if why:
            pytest.fail(f"{block.place}: {why}\n{typed}\n{said[-SHOWN:]}", pytrace=False)
        return said

    def _wait(self, shell: subprocess.Popen[bytes], block: Block, within_s: float) -> str:
        """Wait for the block's end, or for what it waits for; why it failed, empty if it did not."""
        until = block.mark.until if block.mark else ""
        deadline = time.monotonic() + within_s
        while shell.poll() is None:
            if until and re.search(until, self._output.read_text(errors="replace")):
                return ""
            if time.monotonic() > deadline:
                return f"not done within {within_s:.0f} s"
            time.sleep(POLL_S)
        code = int(block.mark.code or 0) if block.mark else 0
        if shell.returncode != code:
            return f"exit code {shell.returncode}, not {code}"
        expected = until or (block.mark.printed if block.mark else "")
        if not re.search(expected, self._output.read_text(errors="replace")):
            return f"ended without {expected!r}"
        return ""

    def _with_replacements(self, block: Block) -> str:
        typed = block.commands
        for example, here in self._replaced.items():
            typed = typed.replace(example, here)
        return typed


NAMES = re.compile(r'"(\w+)":|event: ([\w.]+)')
"""Members of JSON objects, and events of a stream; curl's progress may stand before them in the line."""
HEADER = re.compile(r"^NAME .*", re.MULTILINE)


def unprinted(block: Block, printed: str) -> set[str]:
    """What the page shows of the output and was not printed: members of JSON, events, columns; no numbers."""
    return _names(block.output) - _names(printed)


def _names(text: str) -> set[str]:
    columns = {column for header in HEADER.findall(text) for column in header.split()}
    return {"".join(found) for found in NAMES.findall(text)} | columns - {"..."}


def by_page(tier: str) -> dict[str, list[Block]]:
    """The pages with commands of a tier: each with its blocks, in their order."""
    found: dict[str, list[Block]] = {}
    for block in blocks(tier=tier):
        if block.is_typed:
            found.setdefault(block.page, []).append(block)
    return found


async def type_all(reader: Reader, page: Iterable[Block], subtests: pytest.Subtests, within_s: float = WITHIN_S) -> str:
    """Type the blocks of a page one after the other, each a test by itself; the first that fails is the last.

    Returns what they printed.
    """
    printed = ""
    for block in page:
        done = False
        with subtests.test(block.place):
            said = await asyncio.to_thread(reader.types, block, within_s)
            printed += said
            assert unprinted(block, said) == set(), said
            done = True
        if not done:
            break
    return printed


def kubeconfig(folder: Path, whole: Path, namespace: str) -> str:
    """Write a copy of a kubeconfig whose context has this namespace, as a reader's would; its path."""
    config = yaml.safe_load(whole.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = namespace
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def _check_out(folder: Path) -> None:
    """Link what the repository has, hidden files as well, so that commands may write beside it."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in {".git", ".venv"}:
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").symlink_to(sys.prefix)


def _install(folder: Path, tools: Iterable[str]) -> None:
    folder.mkdir()
    (folder / "grep").write_text(GREP)
    (folder / "grep").chmod(0o755)
    for name in tools:
        program = programs.find(name)
        if program is None:
            why = f"not on this machine: {name}; `make test` builds it"
            if os.environ.get("CI"):
                pytest.fail(why)
            pytest.skip(why)
        (folder / name).symlink_to(program)


@contextlib.contextmanager
def _ended(shell: subprocess.Popen[bytes]) -> Iterator[None]:
    """End what a block left behind: the shell itself, what waits for Ctrl-C, and background jobs."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
