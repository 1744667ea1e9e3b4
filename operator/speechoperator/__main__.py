"""`python -m speechoperator`: run the operator, print what it would apply, or print and install its definition."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from prometheus_client import disable_created_metrics
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from speechoperator.errors import OperatorError
from speechoperator.kube.errors import ApiError
from speechoperator.settings import Settings
from speechoperator.telemetry import logs

_WRONG_SETTING = 2


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; the exit code is 1 when that fails and 2 when a setting is wrong."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
            _complain(f"{name}: {problem['msg']} (is {problem['input']!r})" if problem["loc"] else problem["msg"])
        return _WRONG_SETTING
    try:
        if options.command == "render":
            return _render(options.file, options.namespace, settings)
        return _definition(settings, apply=options.apply) if options.command == "crd" else _run(settings)
    except ApiError as error:
        _complain(error.advice)
    except (OperatorError, OSError, TimeoutError) as error:
        _complain(str(error) or "the time is up")
    return 1


def settings_help() -> str:
    """Return all settings with their defaults, one paragraph each."""
    lines = ["settings, from the environment:"]
    for name, field in Settings.model_fields.items():
        known = field.default is not PydanticUndefined and field.default not in ("", ())
        shown = f" (default {field.default})" if known else ""
        lines.append(f"  {name.upper()}\n      {field.description}{shown}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m speechoperator",
        description="Turns SpeechPipeline objects into running speech services.",
        epilog=settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="run the operator: in a cluster by its service account, else by KUBECONFIG")
    render = commands.add_parser("render", help="print the manifests of the pipelines in a file; needs no cluster")
    render.add_argument("file", type=Path, metavar="FILE", help="YAML with one SpeechPipeline or several")
    render.add_argument("--namespace", default="default", help="for pipelines that name none (default: default)")
    definition = commands.add_parser("crd", help="print the definition of SpeechPipeline")
    definition.add_argument("--apply", action="store_true", help="put it into the cluster and wait until it is served")
    return parser


def _run(settings: Settings) -> int:
    from speechoperator.app import run  # noqa: PLC0415 - kopf and the client take a second to import

    logs.configure(settings.log_level)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, of no use here
    asyncio.run(run(settings))
    return 0


def _render(file: Path, namespace: str, settings: Settings) -> int:
    from speechoperator.commands.render import render  # noqa: PLC0415 - as above

    sys.stdout.write(render(file, namespace, settings))
    return 0


def _definition(settings: Settings, *, apply: bool) -> int:
    from speechoperator.api import crd  # noqa: PLC0415 - as above

    if not apply:
        sys.stdout.write(crd.render())
        return 0

    from speechoperator.commands import install_crd  # noqa: PLC0415 - as above

    name = asyncio.run(install_crd.apply(settings))
    print(f"{name} is installed; kubectl get speechpipelines -A")  # noqa: T201 - a program's words
    return 0


def _complain(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - a program's words


if __name__ == "__main__":
    sys.exit(main())
