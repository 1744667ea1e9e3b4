"""Turn many recordings into subtitles (srt, vtt), text (txt) or segments with times (json).

Each transcript is written beside its recording, or into the folder of --into, when it is complete. A call that was
interrupted is resumed by repeating it: finished files are skipped. A file that fails does not stop the others; it
has also failed if the service's deadline ended its transcript. Notes are what the service says about a transcript.

Exit codes: 0 every file has a transcript; 1 some files failed; 2 wrong command line; 3 the cluster cannot be reached,
or the pipeline does not exist.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from speechcli import options
from speechcli.bridge_access import bridge
from speechcli.bridge_client import authorization
from speechcli.errors import UsageError
from speechcli.localhost import connector
from speechcli.proxies import proxy_for
from speechcli.stopping import until_stopped
from speechcli.terminal import SafeConsole
from speechcli.transcription.formats import ENDINGS
from speechcli.transcription.jobs import check_folders, jobs
from speechcli.transcription.output import FilesProgress, summary
from speechcli.transcription.request import Options, transcribe
from speechcli.transcription.run import Done, Result
from speechcli.transcription.run import run as run_jobs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

CONCURRENCY = 4
CONNECT_TIMEOUT_S = 30.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help=options.NAME_HELP)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings, in any format of FFmpeg")
    parser.add_argument("-o", "--output", choices=ENDINGS, required=True, help="format of the transcripts")
    parser.add_argument("--into", type=Path, metavar="DIR", help="folder for the transcripts; created if missing")
    parser.add_argument(
        "--concurrency",
        type=options.positive_int,
        default=CONCURRENCY,
        metavar="N",
        help="recordings sent at the same time (default: %(default)s)",
    )
    parser.add_argument("--language", default="", help="language of the recordings, such as de (default: detected)")
    parser.add_argument("--vocabulary", default="", metavar="WORDS", help="names and terms, separated by commas")
    parser.add_argument("--overwrite", action="store_true", help="transcribe files that have a transcript, too")
    parser.add_argument(
        "--timeout",
        type=options.positive_float,
        default=3600.0,
        metavar="SECONDS",
        help="time for one recording (default: %(default)g)",
    )
    options.add_bridge(parser)
    options.add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    """Transcribe the files; SIGTERM and Ctrl-C end the port-forward too."""
    return asyncio.run(until_stopped(transcribe_files(arguments)))


async def transcribe_files(arguments: argparse.Namespace) -> int:
    """Transcribe the files; return the exit code."""
    url = options.bridge_url(arguments)
    planned = jobs(arguments.files, arguments.output, arguments.into)
    if arguments.into:
        _create(arguments.into)
    console = SafeConsole()
    if not arguments.overwrite and all(job.target.exists() for job in planned):
        console.print(f"all {len(planned)} transcripts exist; --overwrite transcribes again", soft_wrap=True)
        return 0
    check_folders(planned)
    wanted = Options(arguments.output, arguments.language, arguments.vocabulary)
    timeout = aiohttp.ClientTimeout(arguments.timeout, sock_connect=CONNECT_TIMEOUT_S)
    headers = authorization(options.api_key(arguments))
    async with (
        bridge(options.cluster_options(arguments), arguments.name, url) as address,
        aiohttp.ClientSession(connector=connector(), headers=headers, timeout=timeout, proxy=proxy_for(url)) as session,
    ):
        send = partial(transcribe, session, address, options=wanted)
        progress = FilesProgress(console, len(planned))
        try:
            with progress:
                await run_jobs(planned, send, arguments.concurrency, progress, overwrite=arguments.overwrite)
        finally:  # an aborted call has finished files, too
            console.print(summary(progress.ended))
    return _exit_code(console, progress.ended)


def _exit_code(console: Console, ended: Sequence[Done]) -> int:
    failed = any(done.result is Result.FAILED for done in ended)
    if failed:
        console.print("next: repeat the same command; finished files are skipped", style="dim", soft_wrap=True)
    return 1 if failed else 0


def _create(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot create the folder {folder}: {error.strerror}", "choose another with --into"
        ) from error
