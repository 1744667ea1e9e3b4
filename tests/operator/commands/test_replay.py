"""`replay`: the scaler over files of requests."""

import gzip
import json
from pathlib import Path

import pytest

from speechoperator.__main__ import main

pytestmark = pytest.mark.unit

ARRIVALS = [
    {"time": f"2026-11-29T08:{second // 60:02}:{second % 60:02}Z", "audio_seconds": 60} for second in range(300)
]


def lines(folder: Path, entries: list[dict[str, object]]) -> str:
    path = folder / "trace.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return str(path)


def test_a_trace_is_replayed_for_each_startup_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["replay", lines(tmp_path, [*ARRIVALS]), "--startup", "30,60", "--hpa-cpu", "70", "--decisions", "2"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("300 requests in 299 s, 18000 s of audio, 6 pods busy on average\nrecorded arrivals;")
    rows = [line.split("  ") for line in shown.splitlines() if line.strip().startswith(("30 s", "60 s"))]
    assert [row[-1] for row in rows if "speechoperator" in " ".join(row)]
    assert sum("HPA, CPU 70 %" in line for line in shown.splitlines()) == 2
    assert "1 -> " in shown
    assert "more: --decisions" in shown


def test_equal_traces_give_equal_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reports = []
    for _ in range(2):
        main(["replay", lines(tmp_path, [*ARRIVALS])])
        reports.append(capsys.readouterr().out)
    assert reports[0] == reports[1]


def test_a_csv_file_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "requests.csv.gz"
    path.write_bytes(gzip.compress(b"TIMESTAMP,Tokens\n2023-11-16 18:17:03.9799600,100\n2023-11-16 18:17:05,0"))
    assert main(["replay", "--arrivals", str(path), "--audio-column", "Tokens", "--audio-scale", "0.3"]) == 0
    assert "2 requests in 1 s, 30 s of audio" in capsys.readouterr().out


def test_arrivals_are_estimated_from_recorded_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pod = {"held": 0, "waiting": 0, "working": 0, "audio_seconds_per_second": 10}
    idle = {**pod, "audio_seconds_waiting": 0, "audio_seconds_working": 0}
    busy = {**pod, "working": 1, "audio_seconds_waiting": 0, "audio_seconds_working": 100}
    half = {**busy, "audio_seconds_working": 50}
    moments = [(0, idle), (1, busy), (6, half), (11, idle), (12, busy)]
    entries = [{"time": time, "whisper": [load]} for time, load in moments]
    assert main(["replay", lines(tmp_path, entries)]) == 0
    assert capsys.readouterr().out.startswith("2 requests in 11 s, 200 s of audio")


def test_the_log_of_bridges_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ready = {"time": "2026-11-30T08:00:00.000+00:00", "level": "info", "message": "ready"}
    request = {**ready, "message": "request", "route": "/process", "status": 200}
    entries = [
        ready,
        {**request, "time": "2026-11-30T08:00:31.000+00:00", "duration_ms": 1000.0, "audio_seconds": 15.39},
        {**request, "time": "2026-11-30T08:00:30.000+00:00", "duration_ms": 30000.0, "audio_seconds": 600},
        {**request, "status": 503, "outcome": "rejected", "code": "overloaded", "duration_ms": 0.1},
    ]
    assert main(["replay", lines(tmp_path, entries)]) == 0
    assert capsys.readouterr().out.startswith("2 requests in 30 s, 615 s of audio")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no requests in this file"),
        ('{"time": 1}', "line 1: whisper is missing"),
        ('{"time": 1, "audio_seconds": 5}\n{"time": 2, "audio_seconds": -5}', "line 2: a length is negative"),
        ('{"time": "soon", "audio_seconds": 5}', "line 1: Invalid isoformat string"),
        ("time\n", "line 1: Expecting value"),
    ],
)
def test_a_fault_in_a_trace_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(text, encoding="utf-8")
    assert main(["replay", str(path)]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either TRACE or --arrivals FILE"),
        (["x.jsonl", "--min", "5", "--max", "2"], "--min must be between 0 and --max, which is 2"),
        (["nowhere.jsonl"], "nowhere.jsonl: No such file or directory"),
    ],
)
def test_wrong_arguments_are_named(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(["replay", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_help_names_the_units(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["replay", "--help"])
    shown = capsys.readouterr().out
    assert "--startup SECONDS,..." in shown
    assert "seconds of audio that a pod decodes per second" in shown
