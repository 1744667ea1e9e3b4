"""`python -m speechbridge`: run the bridge, or list its settings."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from prometheus_client import disable_created_metrics
from pydantic import ValidationError

from speechbridge.app import serve
from speechbridge.settings import Settings
from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def main() -> int:
    """Run until told to stop; the exit code is 2 when a setting is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m speechbridge",
        description="Audio in over HTTP, transcript and a language model's answer out.",
        epilog=settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
            print(f"{name}: {problem['msg']} (is {problem['input']!r})", file=sys.stderr)  # noqa: T201 - a program's words
        return 2
    logs.configure(settings.log_level)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, of no use here
    try:
        _runner()(serve(settings))
    except OSError as error:
        logs.logger.error("cannot listen", extra={"fields": {"port": settings.server_port, "reason": str(error)}})
        return 1
    return 0


def settings_help() -> str:
    """Return all settings with their defaults, one paragraph each."""
    lines = ["settings, from the environment:"]
    for name, field in Settings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        shown = f"default {default}" if default != "" else "default empty"
        lines.append(f"  {name.upper()}\n      {field.description} ({shown})")
    return "\n".join(lines)


def _runner() -> Callable[[Coroutine[None, None, None]], None]:
    """Return what runs the event loop: uvloop where it is to be had (it has no build for Windows)."""
    try:
        import uvloop  # noqa: PLC0415 - optional by platform
    except ImportError:
        return asyncio.run
    return uvloop.run


if __name__ == "__main__":
    sys.exit(main())
