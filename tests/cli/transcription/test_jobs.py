"""Which file a transcript is written to, and how."""

from pathlib import Path

import pytest

from speechcli.errors import UsageError
from speechcli.transcription.jobs import Job, jobs, write

pytestmark = pytest.mark.unit


def test_a_transcript_is_beside_its_recording() -> None:
    assert jobs([Path("a/one.wav")], "srt", None) == (Job(Path("a/one.wav"), Path("a/one.srt")),)


def test_a_folder_collects_the_transcripts() -> None:
    assert [job.target for job in jobs([Path("a/one.wav"), Path("two.mp3")], "vtt", Path("out"))] == [
        Path("out/one.vtt"),
        Path("out/two.vtt"),
    ]


def test_a_file_named_twice_is_one_job() -> None:
    assert len(jobs([Path("one.wav"), Path("one.wav")], "srt", None)) == 1


def test_two_recordings_with_one_transcript_are_refused() -> None:
    with pytest.raises(UsageError, match=r"both be written to one\.srt"):
        jobs([Path("one.wav"), Path("one.mp3")], "srt", None)


def test_a_recording_is_never_replaced() -> None:
    with pytest.raises(UsageError, match="replaced by its own transcript"):
        jobs([Path("one.txt")], "txt", None)


def test_a_written_file_leaves_nothing_else_behind(tmp_path: Path) -> None:
    write(tmp_path / "one.srt", b"1\n")

    assert [path.name for path in tmp_path.iterdir()] == ["one.srt"]
    assert (tmp_path / "one.srt").read_bytes() == b"1\n"


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "one.srt").mkdir()  # cannot be replaced by a file

    with pytest.raises(OSError, match="directory"):
        write(tmp_path / "one.srt", b"1\n")

    assert [path.name for path in tmp_path.iterdir()] == ["one.srt"]
