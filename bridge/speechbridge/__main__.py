"""`python -m speechbridge`: run the bridge, or list its settings."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from pydantic import SecretStr, ValidationError

from speechbridge.app import serve
from speechbridge.settings import Settings
from speechbridge.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def main(arguments: list[str] | None = None) -> int:
    """Run until stopped; return 1 when the address cannot be listened on, 2 when a setting is invalid."""
    parser = argparse.ArgumentParser(
        prog="python -m speechbridge",
        description="Accepts recorded speech over HTTP; returns its transcript and a language model's answer.",
        epilog=settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
            print(f"{name}: {problem['msg']}{_given(name, problem['input'])}", file=sys.stderr)  # noqa: T201 - printed to the user
        return 2
    logs.configure(settings.log_level)
    try:
        _runner()(serve(settings))
    except OSError as error:
        logs.error("cannot listen", host=settings.server_host, port=settings.server_port, reason=str(error))
        return 1
    return 0


def settings_help() -> str:
    """Return the settings with their defaults, one paragraph each."""
    lines = ["settings (environment variables):"]
    for name, field in Settings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
        shown = default.lower() if isinstance(field.default, bool) else default or "empty"
        lines.append(f"  {name.upper()}\n      {field.description} (default: {shown})")
    return "\n".join(lines)


def _given(name: str, value: object) -> str:
    """Return the invalid value, except a secret: a setting that is one, or a URL with a password."""
    field = Settings.model_fields.get(name.lower())
    secret = field is None or field.annotation is SecretStr or "@" in str(value)
    return "" if secret else f" (got {value!r})"


def _runner() -> Callable[[Coroutine[None, None, None]], None]:
    """Return the runner of the event loop: uvloop where available (not on Windows)."""
    try:
        import uvloop  # noqa: PLC0415 - optional by platform
    except ImportError:
        return asyncio.run
    return uvloop.run


if __name__ == "__main__":
    sys.exit(main())
