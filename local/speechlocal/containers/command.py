"""Run another program to its end; what it said becomes the error when it fails."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SHOWN_CHARACTERS = 2000
SHOWN_COMMAND = 200


def run(
    command: Sequence[str | Path],
    *,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    say: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
    advice: str = "",
) -> str:
    """Run a command and return its standard output without spaces around it.

    Args:
        command: the program and its arguments.
        stdin: what it reads.
        environment: added to ours.
        say: called with each line as it comes, of both outputs; they are then returned together.
        timeout_s: kill it after so long.
        advice: what to do when it fails.

    Raises:
        LocalError: it is not there, returned another status than 0, or took too long; with the end of what it said.
    """
    shown = shlex.join(map(str, command))[:SHOWN_COMMAND]
    try:
        with subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if say else subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            text=True,
            errors="replace",
        ) as process:
            try:
                out, err = _followed(process, say) if say else process.communicate(stdin, timeout=timeout_s)
            except BaseException:
                process.kill()
                raise
    except FileNotFoundError as error:
        raise LocalError(f"{command[0]} is not on this machine", advice) from error
    except subprocess.TimeoutExpired as error:
        raise LocalError(f"`{shown}` did not end within {timeout_s:.0f} s", advice) from error
    if process.returncode:
        said = ((err or "") + out).strip()[-SHOWN_CHARACTERS:]
        raise LocalError(f"`{shown}` failed with status {process.returncode}:\n{said or '(it said nothing)'}", advice)
    return out.strip()


def succeeds(command: Sequence[str | Path], *, timeout_s: float = 30.0) -> bool:
    """Tell whether a command ends with status 0."""
    try:
        run(command, timeout_s=timeout_s)
    except LocalError:
        return False
    return True


def _followed(process: subprocess.Popen[str], say: Callable[[str], None]) -> tuple[str, str]:
    if process.stdin:
        process.stdin.close()
    lines = list[str]()
    for line in process.stdout or ():
        lines.append(line)
        if line.strip():
            say(line.strip())
    return "".join(lines), ""
