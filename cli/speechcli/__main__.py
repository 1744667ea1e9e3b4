"""`kubectl speech COMMAND`: use and check pipelines from your own machine.

Exit codes: 0 success; 1 the command ran, and something failed; 2 wrong command line; 3 the cluster cannot be reached,
or the pipeline does not exist; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from speechcli.control_characters import printable
from speechcli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each command is a module of its name, imported only when it runs: the Kubernetes client takes a second to import.
COMMANDS = {
    "ask": "send a recording, show transcript and answer as they arrive",
    "transcribe": "turn many recordings into subtitles or text files",
    "status": "show components, models, load, scaling decisions and wrong conditions",
    "doctor": "check everything a pipeline needs, with the command that fixes each fault",
    "bench": "measure a pipeline under load, and how many pods a load needs",
}


def main(given: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a file on Windows takes the characters of one language only
    arguments = list(sys.argv[1:] if given is None else given)
    command, options = top_parser().parse_args(arguments[:1]).command, arguments[1:]
    try:
        chosen = parser(command).parse_args(options)
        return int(module(command).run(chosen))
    except CommandError as error:
        print(printable(f"kubectl speech {command}: {error.message}"), file=sys.stderr)
        if error.advice:
            print(printable(f"what to do: {error.advice}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # as with `| head`; without this Python reports it again when it flushes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def module(command: str) -> Any:
    """Return the module of a command, with `configure` and `run`."""
    return importlib.import_module(f"speechcli.commands.{command}")


def parser(command: str) -> argparse.ArgumentParser:
    """Return the parser of a command's options."""
    found = module(command)
    made = argparse.ArgumentParser(
        prog=f"kubectl speech {command}",
        description=found.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.configure(made)
    return made


def top_parser() -> argparse.ArgumentParser:
    """Return the parser for the name of the command."""
    listed = "\n".join(f"  {name:12}{summary}" for name, summary in COMMANDS.items())
    made = argparse.ArgumentParser(
        prog="kubectl speech",
        description=f"{__doc__}\n\ncommands:\n{listed}\n\nRun `kubectl speech COMMAND --help` for its options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    return made


if __name__ == "__main__":
    sys.exit(main())
