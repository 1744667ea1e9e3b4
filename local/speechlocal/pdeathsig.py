"""Run a command that ends with its parent: `python pdeathsig.py PARENT_PID COMMAND...`, standard library only.

Linux signals a process when the thread that started it dies (PR_SET_PDEATHSIG in prctl(2)), also after an exec. So no
process is left over even if the parent is killed. On other systems the command runs without this.
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
    """Set the parent-death signal, then execute the command."""
    parent, *command = sys.argv[1:]
    die_with_parent()
    if os.getppid() != int(parent):  # it died before the signal was set
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - a shell in between would get the signal


if __name__ == "__main__":
    main()
