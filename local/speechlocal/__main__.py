"""`python -m speechlocal COMMAND`: the platform on one machine."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from speechcli.errors import CommandError

# Each command is a module, imported only when it runs: importing all of their libraries takes seconds.
MODULES = {"cluster": "speechlocal.cluster.commands"}  # the others are named after the command
COMMANDS = {
    "demo": "send a recording, show transcript and answer",
    "load": "measure a running service: latency, time to first token, errors",
    "llm": "serve a small language model with OpenAI's API",
    "cluster": "run the platform on Kubernetes on this machine",
    "images": "build the container images, load them into a cluster",
    "prepare": "install what the tests need on this machine",
}


def main(arguments: list[str]) -> int:
    """Run a command; return 0 on success, 1 on failure, 2 for a wrong command line."""
    command, options = top_parser().parse_args(arguments[:1]).command, arguments[1:]
    module = importlib.import_module(MODULES.get(command, f"speechlocal.{command}"))
    parser = argparse.ArgumentParser(
        prog=f"python -m speechlocal {command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(parser)
    chosen = parser.parse_args(options)
    try:
        return int(module.run(chosen))
    except CommandError as error:
        print(f"{command}: {error.message}", file=sys.stderr)
        if error.advice:
            print(f"{command}: what to do: {error.advice}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as with `| head`; without this Python reports it again when it flushes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def top_parser() -> argparse.ArgumentParser:
    """Return the parser for the name of the command."""
    listed = "\n".join(f"  {name:10} {summary}" for name, summary in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m speechlocal",
        description=f"{__doc__}\n\ncommands:\n{listed}\n\nRun `python -m speechlocal COMMAND --help` for its options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
