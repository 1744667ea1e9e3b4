"""`replay TRACE`: run the operator's scaler over recorded requests or loads, with simulated Whisper pods."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from speechoperator.errors import OperatorError
from speechoperator.plan.scaling import Bounds, Change, ScalingSpec, WhisperScaling
from speechoperator.simulation.arrivals import AUDIO_COLUMN, Trace, read_csv, read_trace
from speechoperator.simulation.hpa import HPA, Targets
from speechoperator.simulation.run import Outcome, Scaler, percentile, simulate
from speechoperator.simulation.stage import PodModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCALER = "speechoperator"
_HEADINGS = (
    "pod startup",
    "autoscaler",
    "backlog p50",
    "backlog p99",
    "wait p99",
    "backlog-seconds",
    "replica-hours",
    "most replicas",
    "decisions",
)
_LEFT_ALIGNED = (1,)


class ReplayError(OperatorError):
    """The arguments do not fit together."""

    code = "invalid_file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Runs the very same scaler as the operator over recorded requests or loads, with simulated Whisper pods that "
        "take time to start and finish their requests before they terminate. Time is simulated: an hour takes seconds."
    )
    parser.add_argument(
        "trace", type=Path, nargs="?", metavar="TRACE", help="JSON lines with arrivals or loads, or the log of bridges"
    )
    parser.add_argument("--arrivals", type=Path, metavar="FILE", help="CSV with a request per row, instead of TRACE")
    parser.add_argument(
        "--audio-column",
        default=AUDIO_COLUMN,
        metavar="NAME",
        help="column of the CSV with the length of the recording (default: %(default)s)",
    )
    parser.add_argument(
        "--audio-scale",
        type=_positive,
        default=1.0,
        metavar="SECONDS",
        help="seconds of audio per unit of that column (default: %(default)g)",
    )
    parser.add_argument(
        "--startup",
        type=_seconds_list,
        default=[60.0],
        metavar="SECONDS,...",
        help="time from the creation of a pod until it is ready; several are run in turn (default: 60)",
    )
    parser.add_argument(
        "--speed",
        type=_positive,
        default=10.0,
        metavar="RATE",
        help="seconds of audio that a pod decodes per second (default: %(default)g)",
    )
    parser.add_argument(
        "--slots", type=_count, default=1, metavar="N", help="requests that a pod decodes together (default: 1)"
    )
    parser.add_argument("--min", type=int, default=1, metavar="N", help="minReplicas (default: %(default)s)")
    parser.add_argument("--max", type=_count, default=10, metavar="N", help="maxReplicas (default: %(default)s)")
    parser.add_argument(
        "--target-backlog",
        type=_positive,
        metavar="SECONDS",
        help="time within which the waiting audio is to be decoded (default: derived from the startup time)",
    )
    parser.add_argument(
        "--hpa-cpu", type=_positive, metavar="PERCENT", help="also run an HPA with this target utilization"
    )
    parser.add_argument(
        "--hpa-queue",
        type=_positive,
        metavar="N",
        help="also run an HPA with this many requests, waiting and in work, per replica",
    )
    parser.add_argument(
        "--decisions",
        type=int,
        default=20,
        metavar="N",
        help="print the first N decisions for the first startup time (default: %(default)s)",
    )


def replay(options: argparse.Namespace) -> str:
    """Run the simulations; return the report.

    Raises:
        ReplayError: there is no file, there are two, or the minimum exceeds the maximum.
        TraceError: the file cannot be read.
    """
    if (options.trace is None) == (options.arrivals is None):
        raise ReplayError("give either TRACE or --arrivals FILE")
    if not 0 <= options.min <= options.max:
        raise ReplayError(f"--min must be between 0 and --max, which is {options.max}")
    trace = (
        read_csv(options.arrivals, options.audio_column, options.audio_scale)
        if options.arrivals
        else read_trace(options.trace)
    )
    rows: list[tuple[str, ...]] = []
    decisions: list[Change] = []
    for startup in options.startup:
        model = PodModel(startup, options.speed, options.slots)
        scaler = _scaler(options)
        outcome = simulate(scaler, trace.jobs, model, options.min)
        decisions = decisions or scaler.changes
        rows.append(_row(startup, SCALER, outcome))
        for name, targets in _hpas(options):
            hpa = HPA(targets, options.min, options.max)
            rows.append(_row(startup, name, simulate(hpa, trace.jobs, model, options.min)))
    return "\n".join([*_about(trace, options), "", *_table(rows), "", *_listed(decisions, options.decisions), ""])


def _scaler(options: argparse.Namespace) -> Scaler:
    bounds = Bounds(options.min, options.max)
    return Scaler(ScalingSpec(whisper=WhisperScaling(bounds, options.target_backlog, options.speed)))


def _hpas(options: argparse.Namespace) -> Iterator[tuple[str, Targets]]:
    if options.hpa_cpu:
        yield f"HPA, CPU {options.hpa_cpu:g} %", Targets(cpu=options.hpa_cpu / 100)
    if options.hpa_queue:
        yield f"HPA, {options.hpa_queue:g} requests per replica", Targets(queue=options.hpa_queue)


def _about(trace: Trace, options: argparse.Namespace) -> list[str]:
    audio = sum(job.work for job in trace.jobs)
    length = trace.jobs[-1].arrival
    load = f", {audio / length / options.speed:.2g} pods busy on average" if length else ""
    return [
        f"{len(trace.jobs)} requests in {length:.0f} s, {audio:.0f} s of audio{load}",
        f"{trace.source}; a pod decodes {options.speed:g} s of audio per second, {options.slots} at a time",
        f"{options.min} to {options.max} replicas",
    ]


def _row(startup: float, name: str, outcome: Outcome) -> tuple[str, ...]:
    return (
        f"{startup:g} s",
        name,
        f"{percentile(outcome.backlog, 0.5):.0f} s",
        f"{percentile(outcome.backlog, 0.99):.0f} s",
        f"{percentile(outcome.waits, 0.99):.1f} s",
        f"{outcome.backlog_seconds:.0f}",
        f"{outcome.replica_hours:.2f}",
        str(outcome.highest),
        str(outcome.changes),
    )


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [_HEADINGS, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    return [
        "  ".join(
            cell.ljust(width) if column in _LEFT_ALIGNED else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _listed(decisions: Sequence[Change], limit: int) -> list[str]:
    if limit <= 0 or not decisions:
        return ["What the columns mean: docs/explanation/scaling.md"]
    lines = [
        f"{change.time:8.0f} s  {change.id}  {change.before} -> {change.after}  {change.reason}"
        for change in decisions[:limit]
    ]
    left = len(decisions) - limit
    return [*lines, *([f"and {left} more: --decisions {len(decisions)}"] if left > 0 else [])]


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _seconds_list(text: str) -> list[float]:
    return [_positive(part) for part in text.split(",")]
