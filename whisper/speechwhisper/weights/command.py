"""`python -m speechwhisper fetch MODEL --into DIR`: fetch weights before a server starts."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from speechwhisper.weights.errors import ERRORS, FetchError
from speechwhisper.weights.fetch import fetch
from speechwhisper.weights.folders import LocalFolder, WebFolder
from speechwhisper.weights.hub import Hub
from speechwhisper.weights.names import WEIGHTS
from speechwhisper.weights.removal import remove_others
from speechwhisper.weights.reporting import Latest, Lines, Reporter, serving
from speechwhisper.weights.transfer import Web

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from speechwhisper.weights.listing import Source

_DESCRIPTION = """\
Fetch the weights of a Whisper model into a folder, where the server finds them: with WHISPER_DOWNLOAD_ROOT set to the
folder, and WHISPER_MODEL to the model. Prints the folder of the weights.

An interrupted download is continued. Checksums are verified, and the weights appear in the folder when they are
complete. Of several processes that fetch the same model into the same folder, also on other machines, one downloads
and the others wait."""

_ENVIRONMENT = """\
environment variables:
  HF_ENDPOINT            URL of the hub or of a mirror with its API (default: https://huggingface.co)
  HF_TOKEN               access token for private and gated models
  HF_TOKEN_PATH          file with the access token
  HF_HUB_OFFLINE         1: never ask the hub
  HTTPS_PROXY, NO_PROXY  proxy, and hosts without one
  SSL_CERT_FILE          certificate authorities to trust
  WHISPER_DOWNLOAD_ROOT  default of --into"""


def main(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run the command; return its exit status."""
    environment = os.environ if environment is None else environment
    parser = _parser(environment)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # process 1 has no default action
    model: str = options.named or _name_of(options.model)
    if not model:
        parser.error(f"{options.model}: set --as to the model whose weights these are")
    latest, lines = Latest(model), Lines(options.progress, sys.stderr, time.monotonic)
    try:
        with ExitStack() as stack:
            if options.progress_port is not None:
                stack.enter_context(serving(latest, options.progress_port))
            source = _source(options.model, options.revision, environment)
            revision = options.revision if isinstance(source, Hub) else ""
            reporter = Reporter(model, (latest, lines), time.monotonic)
            into = Path(options.into)

            def make_room() -> bool:
                return options.remove_others and _remove_others(model, into, lines)

            folder = fetch(model, into, source, revision, reporter, make_room)
    except FetchError as error:
        lines.fail(error.status, str(error))
        _leave_message(options.termination_log, str(error))
        return error.status
    except OSError as error:
        lines.fail(FetchError.status, f"cannot listen on port {options.progress_port}: {error.strerror}")
        return FetchError.status
    sys.stdout.write(f"{folder}\n")
    return 0


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    statuses = "\n".join(f"  {error.status}  {error.meaning}" for error in ERRORS)
    parser = argparse.ArgumentParser(
        prog="python -m speechwhisper fetch",
        description=_DESCRIPTION,
        epilog=f"{_ENVIRONMENT}\n\nexit status:\n  0  the weights are in the folder\n  2  wrong arguments\n{statuses}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a size (tiny.en, small, large-v3, turbo), a repository on the hub, a folder, or the URL of a folder",
    )
    root = environment.get("WHISPER_DOWNLOAD_ROOT")
    parser.add_argument(
        "--into", metavar="DIR", default=root or None, required=not root, help="folder for the weights of all models"
    )
    parser.add_argument(
        "--revision",
        default="main",
        help="branch, tag or commit on the hub (default: %(default)s); once fetched, "
        "weights are not compared with the hub again, and those that came from a folder or URL serve for each revision",
    )
    parser.add_argument(
        "--as",
        dest="named",
        metavar="NAME",
        help="the model for which a folder or URL has the weights, such as small (default: its last path element)",
    )
    parser.add_argument(
        "--remove-others",
        action="store_true",
        help="delete the weights of other models from DIR, unless they came from a folder or URL: once those of MODEL "
        "are complete, or before that if the disk is too full for them",
    )
    parser.add_argument(
        "--progress",
        choices=("text", "json", "none"),
        default="text",
        help="progress on stderr: text for people, one JSON document per line, or none (default: %(default)s)",
    )
    parser.add_argument(
        "--progress-port", type=int, metavar="PORT", help="also answer GET /progress on this port while fetching"
    )
    parser.add_argument("--termination-log", metavar="FILE", help="also write the error to this file")
    return parser


def _source(model: str, revision: str, environment: Mapping[str, str]) -> Source:
    web = Web(time.sleep)
    if model.startswith(("http://", "https://")):
        return WebFolder(web, model.rstrip("/") + "/")
    if _is_path(model):
        return LocalFolder(Path(model).expanduser())
    return Hub.from_environment(web, model, revision, environment)


def _remove_others(model: str, into: Path, lines: Lines) -> bool:
    removed = remove_others(model, into)
    for name, why in removed.items():
        lines.note(f"cannot delete {into / name}: {why}" if why else f"deleted {into / name}")
    return bool(removed)


def _is_path(model: str) -> bool:
    return model.startswith(("/", ".", "~")) or (Path(model) / WEIGHTS).is_file()


def _name_of(model: str) -> str:
    """Return the name by which the server finds the weights, empty if the folder or URL has none."""
    if not _is_path(model) and "://" not in model:
        return model
    name = model.rstrip("/").rsplit("/", 1)[-1]
    return "" if name in {".", "..", "~"} else name


def _leave_message(file: str | None, message: str) -> None:
    """Write the error where the kubelet reads it for the status of the container."""
    if file:
        Path(file).write_text(message + "\n")
