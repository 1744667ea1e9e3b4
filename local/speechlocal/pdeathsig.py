"""Run a command that ends when its parent does: `python pdeathsig.py PARENT_PID COMMAND...`, standard library only.

Linux signals a process when the thread that started it dies (PR_SET_PDEATHSIG in prctl(2)), and keeps that over exec.
So nothing stays behind even when the parent is killed outright. Elsewhere the command runs without this.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel to send SIGTERM to this process when its parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, *command = sys.argv[1:]
    die_with_parent()
    if os.getppid() != int(parent):  # it died before the kernel was asked
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - a shell in between is what must not be


if __name__ == "__main__":
    main()
