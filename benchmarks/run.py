"""Benchmarks of speed and memory, compared with two bridges written in Go.

    python benchmarks/run.py                          everything, half an hour on two cores
    python benchmarks/run.py --only parts --rounds 3  CPU and latency of the bridge, half a minute
    python benchmarks/run.py --only operator          a hundred pipelines in a simulated cluster, once
    python benchmarks/run.py --only operator --pipelines 1000
    python benchmarks/run.py --only scaling           the scaler in simulated time, five minutes
    python benchmarks/run.py --only from-zero         the first request to a pipeline without pods, after `make cluster`
    python benchmarks/run.py --only scrapes           CPU of writing the metrics of each program, a few seconds
    python benchmarks/run.py --only host              limits of the host: open files, waiting connections; needs root
    python benchmarks/run.py --only whisper           the Whisper server under load, six minutes
    python benchmarks/run.py --only whisper --figures hour --minutes 60

Every figure is the median over rounds in which the programs take turns, so that other load on the machine affects all
of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench import (
    from_zero,
    host,
    memory,
    parts,
    pipelines,
    pod_choice,
    real,
    recognition,
    scaling,
    scrapes,
    subjects,
    tokens,
    transcripts,
)
from bench.client import ReplyError
from bench.processes import StartError, on_cores
from bench.programs import GoMissingError, build_go_programs
from bench.report import Section, console, print_goals, print_section, write_json
from bench.subjects import NotThereError
from bench.whisper import sections as whisper

from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.subjects import Stage

SECTIONS = {
    "parts": ("parts",),
    "memory": ("memory",),
    "tokens": ("tokens",),
    "transcripts": ("transcripts",),
    "scrapes": ("scrapes",),
    "real": ("answers", "recognition"),
    "operator": ("operator",),
    "pods": ("pods",),
    "scaling": ("scaling",),
    "from-zero": ("from-zero",),
    "host": ("host",),
    "whisper": tuple(whisper.FIGURES),
}
PEER_SECTIONS = ("parts", "memory", "tokens")
ROUNDS = 7
MINUTES = 6.0  # of the long file of the section whisper; its goals are about an hour


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS, help="one section (default: all)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="rounds (default: %(default)s)")
    parser.add_argument(
        "--figures", metavar="NAME,...", help=f"with --only whisper, some of its figures: {', '.join(whisper.FIGURES)}"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=MINUTES,
        metavar="N",
        help="length of the long file of the figure `hour` (default: %(default)g)",
    )
    parser.add_argument(
        "--pipelines",
        type=int,
        default=pipelines.PIPELINES,
        metavar="N",
        help="number of pipelines of the section operator (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument(
        "--no-pin",
        dest="pinned",
        action="store_false",
        help="let every program use all cores (default: the measured one has a core to itself)",
    )
    chosen = parser.parse_args()
    if chosen.rounds < 1:
        parser.error("--rounds must be at least 1")
    chosen.figures = chosen.figures.split(",") if chosen.figures else []
    if chosen.figures and chosen.only != "whisper":
        parser.error("--figures needs --only whisper")
    if unknown := [name for name in chosen.figures if name not in whisper.FIGURES]:
        parser.error(f"no figure {unknown[0]!r}; there are {', '.join(whisper.FIGURES)}")
    if chosen.pipelines < pipelines.PIPELINES:
        parser.error(f"--pipelines must be at least {pipelines.PIPELINES}")
    if chosen.minutes <= 0:
        parser.error("--minutes must be positive")
    return chosen


def main() -> int:
    """Measure and print; in CI, return 1 if a section could not be run."""
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that started programs are stopped
    out = console()
    started = time.monotonic()

    def say(text: str) -> None:
        out.print(f"{time.monotonic() - started:5.0f} s  {text}", style="dim")

    missing: list[str] = []
    chosen_sections = [chosen.only] if chosen.only else list(SECTIONS)
    sections: list[Section] = []
    with tempfile.TemporaryDirectory(prefix="speechpipeline-bench-") as folder:
        bench = Bench(subjects.stage(Path(folder), pinned=chosen.pinned), chosen, missing, say)
        for name in chosen.figures or (name for key in chosen_sections for name in SECTIONS[key]):
            try:
                section = bench.section(name)
            except (GoMissingError, NotThereError, LocalError, StartError, ReplyError, OSError) as error:
                missing.append(f"{name}: {error}")
                continue
            sections.append(section)
            print_section(out, section)
    print_goals(out, sections)
    for reason in dict.fromkeys(missing):
        out.print(f"not run: {reason}", style="yellow", markup=False)
    if chosen.json:
        write_json(chosen.json, sections, about(chosen))
        out.print(f"figures: {chosen.json}")
    out.print(f"{time.monotonic() - started:.0f} s. What the figures mean: benchmarks/README.md")
    return 1 if missing and os.environ.get("CI") else 0


class Bench:
    """Runs sections; those that cannot be run are added to `missing`, with the reason."""

    def __init__(
        self, stage: Stage, chosen: argparse.Namespace, missing: list[str], say: Callable[[str], None]
    ) -> None:
        self._stage = stage
        self._rounds: int = chosen.rounds
        self._minutes: float = chosen.minutes
        self._pipelines: int = chosen.pipelines
        self._missing = missing
        self._say = say

    def section(self, name: str) -> Section:
        """Run one section.

        Raises:
            GoMissingError, NotThereError, StartError, ReplyError: it cannot be run.
        """
        if name in PEER_SECTIONS:
            return self._beside_peers(name)
        stage = self._stage.unpinned()
        alone: dict[str, Callable[[], Section]] = {
            "answers": lambda: real.measure(stage, self._go_if_there(), self._rounds, self._say),
            "recognition": lambda: recognition.measure(stage, self._rounds, self._say),
            "operator": lambda: pipelines.measure(stage.folder, self._pipelines, self._say),
            "from-zero": lambda: from_zero.measure(self._rounds, self._say),
            "host": lambda: host.measure(self._say),
            "pods": lambda: pod_choice.measure(self._say),
            "scaling": lambda: scaling.measure(self._say),
            "scrapes": lambda: scrapes.measure(self._rounds, self._say),
            "transcripts": lambda: transcripts.measure(self._rounds, self._say),
        }
        if name in alone:
            return alone[name]()
        return whisper.measure(stage, name, self._rounds, self._minutes, self._say)

    def _beside_peers(self, name: str) -> Section:
        """Run a section that compares the bridge with the programs in Go."""
        go = build_go_programs(self._say)
        with ExitStack() as running:
            running.enter_context(on_cores(set(self._stage.others)))
            stub = running.enter_context(self._stage.start_other(subjects.stub(go)))
            peers = [subjects.peer(go, peer, stub.url, stub.url) for peer in (subjects.PLAIN, subjects.STREAMING)]
            bridges = [subjects.bridge(stub.url, stub.url), subjects.openai_bridge(stub.url, stub.url)]
            if reason := subjects.why_not("speechbridge"):
                self._missing.append(reason)
                bridges = []
            if name == "parts":
                return parts.measure(self._stage, [*peers, *bridges[:1]], self._rounds, self._say)
            if name == "memory":
                return memory.measure(self._stage, [*peers, *bridges[:1]], self._rounds, self._say)
            return tokens.measure(self._stage, [subjects.relay(stub), *peers[1:], *bridges], self._rounds, self._say)

    def _go_if_there(self) -> Path | None:
        try:
            return build_go_programs(self._say)
        except GoMissingError as error:
            self._missing.append(str(error))
            return None


def about(chosen: argparse.Namespace) -> dict[str, str]:
    """The conditions under which the figures were measured."""
    return {
        "command": " ".join(["python", *sys.argv]),
        "rounds": str(chosen.rounds),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main())
