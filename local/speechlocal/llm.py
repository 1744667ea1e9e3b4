"""Serve a small language model with OpenAI's API: llama.cpp's server with SmolLM2-135M on the CPU, in this process.

It exits on SIGTERM or Ctrl-C, and when the process that started it exits.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import xllamacpp

from speechlocal import loopback, models
from speechlocal.errors import LocalError
from speechlocal.pdeathsig import die_with_parent

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

SLOTS = 2
CONTEXT_TOKENS = 4096
PROMPT_CACHE_MIB = 256
LOG_WARNINGS = 2


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--threads", type=int, default=default_threads(), help="CPU threads (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal arrives."""
    settings = parameters(models.llm_weights(), arguments.port, arguments.threads)
    die_with_parent()
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the server's threads start, which inherit the mask
    try:
        server = xllamacpp.Server(settings)
    except RuntimeError as error:
        raise LocalError(f"llama.cpp's server did not start: {error}", "see the lines above for the reason") from error
    print(f"{models.LLM_NAME} serves OpenAI's API on {server.listening_address}/v1", flush=True)
    signal.sigwait(signals)
    return 0


def parameters(weights: Path, port: int, threads: int) -> xllamacpp.CommonParams:
    """Return the server's settings: two slots, each with the full context, and a prompt cache."""
    chosen = xllamacpp.CommonParams()
    chosen.model.path = str(weights)
    chosen.model_alias = {models.LLM_NAME}
    chosen.hostnames = [loopback.HOST]
    chosen.port = port
    chosen.n_parallel = SLOTS
    chosen.n_ctx = SLOTS * CONTEXT_TOKENS
    chosen.cpuparams.n_threads = threads
    chosen.cpuparams_batch.n_threads = threads
    chosen.n_predict = models.MAX_ANSWER_TOKENS
    chosen.sampling.temp = 0.0  # the default of a request: deterministic answers
    chosen.cache_prompt = True
    chosen.cache_ram_mib = PROMPT_CACHE_MIB
    chosen.verbosity = LOG_WARNINGS
    chosen.ui = False
    return chosen


def default_threads() -> int:
    """Return half of the usable cores: Whisper runs on the same ones, and llama.cpp's threads spin."""
    return max(1, len(os.sched_getaffinity(0)) // 2) if hasattr(os, "sched_getaffinity") else 2
