"""Run another program until it exits; if it fails, its output is the error message."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from speechlocal.progress import Report

SHOWN_CHARACTERS = 2000
SHOWN_COMMAND = 200


def run(
    command: Sequence[str | Path],
    *,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    report: Report | None = None,
    timeout_s: float | None = None,
    advice: str = "",
) -> str:
    """Run a command and return its standard output, stripped.

    Args:
        command: the program and its arguments.
        stdin: its standard input.
        environment: variables added to those of this process.
        report: called with each line as it arrives, of both outputs, which are then returned together.
        timeout_s: seconds after which it is killed.
        advice: what the user can do when it fails.

    Raises:
        LocalError: it is not installed, failed or timed out; the message has the end of its output.
    """
    shown = shlex.join(map(str, command))[:SHOWN_COMMAND]
    try:
        with subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if report else subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            text=True,
            errors="replace",
        ) as process:
            try:
                out, err = _follow(process, report) if report else process.communicate(stdin, timeout=timeout_s)
            except BaseException:
                process.kill()
                raise
    except FileNotFoundError as error:
        raise LocalError(f"{command[0]} is not installed", advice) from error
    except subprocess.TimeoutExpired as error:
        raise LocalError(f"`{shown}` timed out after {timeout_s:.0f} s", advice) from error
    if process.returncode:
        output = ((err or "") + out).strip()[-SHOWN_CHARACTERS:]
        raise LocalError(f"`{shown}` failed with status {process.returncode}:\n{output or '(no output)'}", advice)
    return out.strip()


def succeeds(command: Sequence[str | Path], *, timeout_s: float = 30.0) -> bool:
    """Return whether a command ends with status 0."""
    try:
        run(command, timeout_s=timeout_s)
    except LocalError:
        return False
    return True


def _follow(process: subprocess.Popen[str], report: Report) -> tuple[str, str]:
    if process.stdin:
        process.stdin.close()
    lines = list[str]()
    for line in process.stdout or ():
        lines.append(line)
        if line.strip():
            report(line.strip())
    return "".join(lines), ""
