"""`python -m speechoperator`: run the operator, render manifests, print and install the CRD, or replay a trace."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from prometheus_client import disable_created_metrics
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from speechoperator.commands import replay
from speechoperator.errors import OperatorError
from speechoperator.kube.errors import ApiError
from speechoperator.settings import Settings
from speechoperator.telemetry import logs

_INVALID_SETTING = 2


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the exit code: 1 if it fails, 2 if a setting is invalid."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0]).upper() if problem["loc"] else ""
            _print_error(f"{name}: {problem['msg']} (got {problem['input']!r})" if name else problem["msg"])
        return _INVALID_SETTING
    try:
        if options.command == "render":
            return _render(options.file, options.namespace, settings)
        if options.command == "replay":
            sys.stdout.write(replay.replay(options))
            return 0
        return _crd(settings, apply=options.apply) if options.command == "crd" else _run(settings)
    except ApiError as error:
        _print_error(error.advice)
    except (OperatorError, OSError, TimeoutError) as error:
        _print_error(str(error) or "timed out")
    return 1


def settings_help() -> str:
    """Return all settings with their defaults, one paragraph each."""
    lines = ["settings (environment variables):"]
    for name, field in Settings.model_fields.items():
        has_default = field.default is not PydanticUndefined and field.default not in ("", ())
        default = f" (default: {field.default})" if has_default else ""
        lines.append(f"  {name.upper()}\n      {field.description}{default}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m speechoperator",
        description="Turns SpeechPipeline objects into running speech services.",
        epilog=settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="run the operator: in a cluster with its service account, else with KUBECONFIG")
    render = commands.add_parser("render", help="print the manifests of the pipelines in a file, without a cluster")
    render.add_argument("file", type=Path, metavar="FILE", help="YAML with one or more SpeechPipelines")
    render.add_argument(
        "--namespace", default="default", help="namespace of pipelines that name none (default: default)"
    )
    crd = commands.add_parser("crd", help="print the CRD of SpeechPipeline")
    crd.add_argument("--apply", action="store_true", help="install it in the cluster, and wait until it is established")
    replay.add_arguments(
        commands.add_parser("replay", help="run the scaler over a trace, with simulated pods, without a cluster")
    )
    return parser


def _run(settings: Settings) -> int:
    from speechoperator.app import run  # noqa: PLC0415 - kopf and the client take a second to import

    logs.configure(settings.log_level)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second, unused series for each counter
    return asyncio.run(run(settings))


def _render(file: Path, namespace: str, settings: Settings) -> int:
    from speechoperator.commands.render import render  # noqa: PLC0415 - as above

    sys.stdout.write(render(file, namespace, settings))
    return 0


def _crd(settings: Settings, *, apply: bool) -> int:
    from speechoperator.api import crd  # noqa: PLC0415 - as above

    if not apply:
        sys.stdout.write(crd.render())
        return 0

    from speechoperator.commands.install_crd import install_crd  # noqa: PLC0415 - as above

    print(asyncio.run(install_crd(settings)))  # noqa: T201 - output
    return 0


def _print_error(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - output


if __name__ == "__main__":
    sys.exit(main())
