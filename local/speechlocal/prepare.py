"""Prepare this machine for the tests: install missing Debian packages, build programs and images once.

Whatever cannot be provided is listed together with the tests that need it; those tests are skipped, or fail in
continuous integration. Packages are installed only as root on Debian. `make test` runs this before the tests.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from speechlocal import client_packages, debian, jobs, models, ollama, versions
from speechlocal.cluster import builds
from speechlocal.containers import engine
from speechlocal.errors import LocalError
from speechlocal.offline import ollama_build
from speechlocal.terminal import PLAIN_PROGRESS_EVERY_S, reporter

if TYPE_CHECKING:
    import argparse

OLLAMA = f"Ollama {versions.OLLAMA}"
CLUSTER_TESTS = "the tests of the tiers cluster and e2e"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--fast", action="store_true", help="only what tests of the tiers unit and component need")


def run(arguments: argparse.Namespace) -> int:
    """Prepare; return 0 even if something is missing, since the tests report it where it matters."""
    console = Console(highlight=False, file=sys.stdout)
    missing = install_packages(console, fast=arguments.fast) + join_weights(console) + install_clients(console)
    if not arguments.fast:
        missing += build_cluster(console)
    missing += build_ollama(console)
    for line in missing:
        console.print(f"prepare: missing: {line}", style="yellow", soft_wrap=True)
    if missing:
        console.print(
            "prepare: tests that need these are skipped, or fail if CI is set; all others run", soft_wrap=True
        )
    return 0


def install_packages(console: Console, *, fast: bool) -> list[str]:
    """Install missing Debian packages if this user can; return what is still missing, human-readable."""
    missing = debian.missing(fast=fast)
    if missing and debian.can_install():
        console.print(f"prepare: installing {debian.names(missing)}", soft_wrap=True)
        try:
            debian.install(missing)
        except LocalError as error:
            show_error(console, error)
        missing = debian.missing(fast=fast)
    return [f"{package.name} (apt-get install {package.name}): {package.needed_by}" for package in missing]


def join_weights(console: Console) -> list[str]:
    """Join the halves of Whisper base in the cache; return what is missing."""
    try:
        models.whisper_base_weights()
    except LocalError as error:
        show_error(console, error)
        return [f"the weights of Whisper {models.WHISPER_BASE_NAME}: component tests of other languages"]
    return []


def install_clients(console: Console) -> list[str]:
    """Install the clients that others wrote; return what is missing."""
    if not client_packages.missing():
        return []
    console.print("prepare: installing clients for the tests, once (about 1 GB, a minute)", soft_wrap=True)
    try:
        client_packages.install(reporter(console, "prepare"))
    except LocalError as error:
        show_error(console, error)
        return [client_packages.NEEDED_BY]
    return []


def build_cluster(console: Console) -> list[str]:
    """Build the programs of the local cluster and, with an engine, its images; return what is missing.

    An engine that was started for this is stopped afterwards.
    """
    missing = []
    use = engine.in_use if engine.started_here() is None else engine.held
    with contextlib.ExitStack() as block:
        try:
            block.enter_context(use(reporter(console, "prepare")))
            wanted = builds.jobs(builds.find_missing(), tests=True)
        except LocalError as error:
            show_error(console, error)
            missing.append("a container engine: the tests of the tier e2e")
            wanted = builds.jobs_without_engine()
        jobs.announce(console, "prepare", wanted)
        try:
            jobs.run(console, wanted)
        except LocalError as error:
            show_error(console, error)
            missing.append(f"programs and images of the local cluster: {CLUSTER_TESTS}")
    return missing


def show_error(console: Console, error: LocalError) -> None:
    """Print an error and its advice."""
    text = f"{error.message}\n{error.advice}" if error.advice else error.message
    console.print(f"prepare: {text}", style="red", soft_wrap=True, markup=False)


def build_ollama(console: Console) -> list[str]:
    """Build Ollama unless it is cached or installed; return what is missing."""
    if ollama.find() is not None:
        return []
    needed_by = "contract tests, and the demo with OLLAMA_URL"
    if requirements := ollama_build.missing_requirements():
        return [f"{OLLAMA}: {needed_by}; to build it: {', '.join(requirements)}"]
    minutes = ollama_build.CPU_MINUTES
    console.print(f"prepare: building {OLLAMA} once: {minutes} minutes on one core, fewer on several")
    started = time.monotonic()
    try:
        program = build_with_progress(console)
    except LocalError as error:
        show_error(console, error)
        return [f"{OLLAMA}: {needed_by}; its build failed, see above"]
    console.print(f"prepare: built {program} in {(time.monotonic() - started) / 60:.0f} minutes", soft_wrap=True)
    return []


def build_with_progress(console: Console) -> str:
    """Build Ollama with a bar on a terminal, otherwise a line now and then; return the program's path."""
    columns = (TextColumn("building Ollama"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=ollama_build.PACKAGES)
        last_line = time.monotonic()

        def on_package(count: int, name: str) -> None:
            nonlocal last_line
            progress.update(task, completed=count, description=name.removeprefix("github.com/")[-40:])
            if not console.is_terminal and time.monotonic() - last_line > PLAIN_PROGRESS_EVERY_S:
                last_line = time.monotonic()
                console.print(f"prepare: {count} of about {ollama_build.PACKAGES} packages, now {name}", soft_wrap=True)

        return str(ollama_build.build(on_package))
