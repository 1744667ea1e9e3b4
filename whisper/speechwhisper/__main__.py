"""`python -m speechwhisper`: load the model, listen, serve until SIGTERM; with `fetch`, only fetch weights."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys

from prometheus_client import disable_created_metrics
from pydantic import ValidationError

from speechwhisper import memory
from speechwhisper.settings import Settings

_INVALID_SETTING = 2


def main(arguments: list[str] | None = None) -> int:
    """Parse arguments and settings, then run; return the exit status of the process."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m speechwhisper",
        description="A speech recognition server on CTranslate2. To fetch weights before it starts, see "
        "`python -m speechwhisper fetch --help`.",
        epilog=settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if arguments[:1] == ["fetch"]:
        from speechwhisper.weights.command import main as fetch  # noqa: PLC0415 - the server does not need it

        return fetch(arguments[1:])
    parser.parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            name = ".".join(map(str, fault["loc"])).upper()
            sys.stderr.write(f"{name}: {fault['msg']}{_given(fault['input'])}\n")
        return _INVALID_SETTING
    return run(settings)


def _given(value: object) -> str:
    """Return the invalid value, unless it may be a URL with a password."""
    return "" if "@" in str(value) else f" (got {value!r})"


def settings_help() -> str:
    """Return the settings with their defaults and units, one paragraph each."""
    lines = ["settings (environment variables):"]
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        default = f"{field.default} {unit}".strip() or "empty"
        lines.append(f"  {name.upper()}\n      {field.description} (default: {default})")
    return "\n".join(lines)


def run(settings: Settings) -> int:
    """Load the model and serve; return the exit status of the process."""
    memory.tune_malloc()
    # Imported late: --help and an invalid setting need not wait for the libraries.
    from speechwhisper.app import run_until_stopped  # noqa: PLC0415
    from speechwhisper.recognition.loading import ModelUnavailableError, load  # noqa: PLC0415
    from speechwhisper.telemetry import logs  # noqa: PLC0415

    logs.configure(settings.log_level)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a second, unused series for each counter
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # process 1 of a container has no default action

    logs.info("loading the model", model=settings.whisper_model, device=settings.whisper_device)
    try:
        decoder = load(settings)
    except ModelUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    memory.tune_gc()
    try:
        finished = asyncio.run(run_until_stopped(settings, decoder))
    except OSError as error:
        logs.error("cannot listen", host=settings.server_host, port=settings.server_port, reason=str(error))
        return 1
    if not finished:
        # A normal exit would wait for a worker thread that still computes for a cancelled request, and CUDA's own
        # cleanup may abort the process if its context is lost.
        logging.shutdown()
        os._exit(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
