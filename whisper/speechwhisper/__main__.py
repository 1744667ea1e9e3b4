"""`python -m speechwhisper`: load the model, open the port, serve until SIGTERM."""

import asyncio
import gc
import logging
import os
import signal
import sys

from pydantic import ValidationError

from speechwhisper.settings import Settings, describe

logger = logging.getLogger("speechwhisper")

_USAGE_ERROR = 2
_YOUNG_OBJECTS = 50_000
"""Allocations between two collections: fewer pauses, since start-up leaves many objects that never die."""


def main(arguments: list[str]) -> int:
    """Read arguments and settings, then run; returns the process's exit status."""
    if arguments:
        sys.stdout.write(describe() + "\n")
        return 0 if arguments[0] in {"-h", "--help"} else _USAGE_ERROR
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            sys.stderr.write(f"{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}\n")
        return _USAGE_ERROR
    return run(settings)


def run(settings: Settings) -> int:
    """Load the model and serve; returns the process's exit status."""
    # Imported late: --help and a bad setting need not wait for the libraries.
    from speechwhisper.app import run_until_stopped  # noqa: PLC0415
    from speechwhisper.recognition.loading import ModelUnavailableError, load  # noqa: PLC0415
    from speechwhisper.telemetry import logs  # noqa: PLC0415

    logs.configure(settings.log_level)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # process 1 of a container has no default action

    logger.info("loading the model", extra={"model": settings.whisper_model, "device": settings.whisper_device})
    try:
        decoder = load(settings)
    except ModelUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
    finished = asyncio.run(run_until_stopped(settings, decoder))
    if not finished:
        # A worker thread is inside a computation that nobody waits for; a normal exit would.
        logging.shutdown()
        os._exit(1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
