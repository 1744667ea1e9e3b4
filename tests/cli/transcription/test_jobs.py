"""Which file a transcript is written to, and how."""

from pathlib import Path

import pytest

from speechcli.errors import UsageError
from speechcli.transcription.jobs import Job, check_folders, jobs, write

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
    write(tmp_path / "one.srt", b"1\n", 0o022)

    assert [path.name for path in tmp_path.iterdir()] == ["one.srt"]
    assert (tmp_path / "one.srt").read_bytes() == b"1\n"


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "one.srt").mkdir()  # cannot be replaced by a file

    with pytest.raises(OSError, match="directory"):
        write(tmp_path / "one.srt", b"1\n", 0o022)

    assert [path.name for path in tmp_path.iterdir()] == ["one.srt"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path, umask: int, mode: int) -> None:
    write(tmp_path / "one.srt", b"1\n", umask)

    assert (tmp_path / "one.srt").stat().st_mode & 0o777 == mode


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / f"{'x' * 251}.srt"

    write(target, b"1\n", 0o022)

    assert target.exists()


def test_a_folder_that_cannot_be_written_is_found_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="cannot write into the folder"):
        check_folders([Job(Path("one.wav"), tmp_path / "file" / "one.srt")])
