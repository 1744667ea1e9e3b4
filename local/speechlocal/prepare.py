"""Make this machine able to run every test: Debian packages where missing, and the real Ollama, built once.

What cannot be had here is named together with the tests that need it; those tests then skip, or fail in continuous
integration. Run as root on Debian it installs what is missing itself. `make test` calls it before the tests.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from speechlocal import debian, ollama, ollama_build
from speechlocal.errors import LocalError

if TYPE_CHECKING:
    import argparse

PLAIN_PROGRESS_EVERY_S = 30.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--without-browser", action="store_true", help="leave out what only browser tests need")


def run(arguments: argparse.Namespace) -> int:
    """Prepare; return 0 also when something stays missing, for the tests say it where it matters."""
    console = Console(highlight=False, file=sys.stdout)
    notes = packages(console, browser=not arguments.without_browser) + real_ollama(console)
    for note in notes:
        console.print(f"prepare: missing: {note}", style="yellow", soft_wrap=True)
    if notes:
        console.print("prepare: tests that need these skip, or fail where CI is set; all others run", soft_wrap=True)
    return 0


def packages(console: Console, *, browser: bool) -> list[str]:
    """Install missing Debian packages where that is allowed; return notes on what stays missing."""
    missing = debian.missing(browser=browser)
    if missing and debian.can_install():
        console.print(f"prepare: installing {', '.join(package.name for package in missing)}", soft_wrap=True)
        try:
            debian.install(missing)
        except LocalError as error:
            console.print(f"prepare: {error.message}", style="red", soft_wrap=True, markup=False)
        missing = debian.missing(browser=browser)
    return [f"{package.name} (apt-get install {package.name}): {package.needed_by}" for package in missing]


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
        console.print(f"prepare: {error.message}", style="red", soft_wrap=True, markup=False)
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
