"""Make this machine able to run every test: Debian packages where missing, programs and images built once.

What cannot be had here is named together with the tests that need it; those tests then skip, or fail in continuous
integration. Run as root on Debian it installs what is missing itself. `make test` calls it before the tests.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from speechlocal import debian, jobs, ollama
from speechlocal.cluster import builds
from speechlocal.containers import engine
from speechlocal.errors import LocalError
from speechlocal.offline import ollama_build
from speechlocal.terminal import saying

if TYPE_CHECKING:
    import argparse

PLAIN_PROGRESS_EVERY_S = 30.0
FOR_CLUSTER_TESTS = "the tests of the tiers cluster and e2e"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--fast", action="store_true", help="only what the tests of the tiers unit and component need")


def run(arguments: argparse.Namespace) -> int:
    """Prepare; return 0 also when something stays missing, for the tests say it where it matters."""
    console = Console(highlight=False, file=sys.stdout)
    notes = packages(console, fast=arguments.fast)
    if not arguments.fast:
        notes += local_cluster(console)
    notes += real_ollama(console)
    for note in notes:
        console.print(f"prepare: missing: {note}", style="yellow", soft_wrap=True)
    if notes:
        console.print("prepare: tests that need these skip, or fail where CI is set; all others run", soft_wrap=True)
    return 0


def packages(console: Console, *, fast: bool) -> list[str]:
    """Install missing Debian packages where that is allowed; return notes on what stays missing."""
    missing = debian.missing(fast=fast)
    if missing and debian.can_install():
        console.print(f"prepare: installing {', '.join(package.name for package in missing)}", soft_wrap=True)
        try:
            debian.install(missing)
        except LocalError as error:
            failed(console, error)
        missing = debian.missing(fast=fast)
    return [f"{package.name} (apt-get install {package.name}): {package.needed_by}" for package in missing]


def local_cluster(console: Console) -> list[str]:
    """Build what the tests of the local cluster need: programs, and images where there is an engine for them.

    An engine that was started for this is stopped again. Returns notes on what stays missing.
    """
    notes = []
    was_started = engine.started_here()
    try:
        engine.ensure(saying(console, "prepare"))
        wanted = builds.jobs(builds.look(), tests=True)
    except LocalError as error:
        failed(console, error)
        notes.append("a container engine: the tests of the tier e2e")
        wanted = builds.programs(builds.missing_programs() & builds.FOR_TESTS)
    long = [job for job in wanted if job.seconds]
    if long:
        listed = ", ".join(job.name for job in long)
        console.print(f"prepare: building, once, about {jobs.in_words(long)} on two cores: {listed}", soft_wrap=True)
    try:
        jobs.run(console, wanted)
    except LocalError as error:
        failed(console, error)
        notes.append(f"what the local cluster is made of: {FOR_CLUSTER_TESTS}")
    if was_started is None:
        engine.stop_if_unused()
    return notes


def failed(console: Console, error: LocalError) -> None:
    """Say what went wrong, and what can be done about it."""
    said = f"{error.message}\n{error.advice}" if error.advice else error.message
    console.print(f"prepare: {said}", style="red", soft_wrap=True, markup=False)


def real_ollama(console: Console) -> list[str]:
    """Have the real Ollama in the cache, or one on PATH; return notes on what stays missing."""
    if ollama.find() is not None:
        return []
    what = f"Ollama {ollama.VERSION}: answers of the real one, and the demo with OLLAMA_URL"
    if lacking := ollama_build.what_is_missing():
        return [f"{what}; to build it: {', '.join(lacking)}"]
    minutes = ollama_build.CPU_MINUTES
    console.print(f"prepare: building Ollama {ollama.VERSION}, once: {minutes} minutes on one core, fewer on several")
    started = time.monotonic()
    try:
        program = build_with_progress(console)
    except LocalError as error:
        failed(console, error)
        return [f"{what}; its build failed, see above"]
    console.print(f"prepare: built {program} in {(time.monotonic() - started) / 60:.0f} minutes", soft_wrap=True)
    return []


def build_with_progress(console: Console) -> str:
    """Build Ollama with a bar on a terminal, or a line now and then; return the program's path."""
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
