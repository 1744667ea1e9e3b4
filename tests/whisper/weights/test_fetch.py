"""Weights reach a volume complete and verified, or the command says why not."""

from __future__ import annotations

import errno
import json
import shutil
import threading
from collections import namedtuple
from typing import TYPE_CHECKING

import pytest

from fakes.model_hub import COMMIT, FILES, NAME, OTHER_TOKEN, TOKEN, ModelHub
from speechwhisper.weights.errors import (
    ChecksumError,
    DeniedError,
    DiskFullError,
    FetchError,
    UnknownModelError,
    UnreachableError,
)
from speechwhisper.weights.fetch import fetch
from speechwhisper.weights.folders import LocalFolder, WebFolder
from speechwhisper.weights.hub import Hub
from speechwhisper.weights.listing import Listing, RemoteFile
from speechwhisper.weights.names import find
from speechwhisper.weights.reporting import Reporter
from speechwhisper.weights.transfer import Web

if TYPE_CHECKING:
    from pathlib import Path

    from speechwhisper.weights.progress import Progress

pytestmark = pytest.mark.unit

FOLDER = "Systran--faster-whisper-tiny"
NEEDED = {name: content for name, content in FILES.items() if name != "README.md"}
DEADLINE = 10


class Recorder:
    """Keeps the progress that was reported."""

    def __init__(self) -> None:
        self.seen: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        self.seen.append(progress)


def source(hub: ModelHub, model: str = "tiny", revision: str = "main", **environment: str) -> Hub:
    return Hub.from_environment(Web(lambda _: None), model, revision, {"HF_ENDPOINT": hub.url, **environment})


def fetched(
    hub: ModelHub, into: Path, recorder: Recorder | None = None, revision: str = "main", **environment: str
) -> Path:
    reporter = Reporter("tiny", (recorder,) if recorder else (), lambda: 0.0)
    return fetch("tiny", into, source(hub, revision=revision, **environment), revision, reporter)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "fetched.json"}


def test_the_files_that_the_server_needs_are_fetched_and_nothing_else(hub: ModelHub, tmp_path: Path) -> None:
    folder = fetched(hub, tmp_path)

    assert folder == tmp_path / FOLDER
    assert contents(folder) == NEEDED
    assert {path.name for path in tmp_path.iterdir()} == {FOLDER, f".{FOLDER}.lock"}
    manifest = json.loads((folder / "fetched.json").read_text())
    assert (manifest["revision"], manifest["requested"]) == (COMMIT, "main")


def test_the_server_finds_them_by_size_and_by_name(hub: ModelHub, tmp_path: Path) -> None:
    folder = fetched(hub, tmp_path)

    assert find("tiny", str(tmp_path)) == find(NAME, tmp_path) == folder
    assert find("small", tmp_path) is None
    assert find("tiny", "") is None


def test_what_is_there_is_used_without_the_hub(hub: ModelHub, tmp_path: Path) -> None:
    folder = fetched(hub, tmp_path)
    hub.requests.clear()

    assert fetched(hub, tmp_path) == folder
    assert hub.requests == []


def test_a_snapshot_in_a_cache_of_the_hubs_own_library_is_used(hub: ModelHub, tmp_path: Path) -> None:
    snapshot = tmp_path / f"models--{FOLDER}" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for name, content in NEEDED.items():
        (snapshot / name).write_bytes(content)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(COMMIT)

    assert fetched(hub, tmp_path) == snapshot
    assert hub.requests == []

    (snapshot / "model.bin").unlink()  # the library was interrupted
    assert fetched(hub, tmp_path) == tmp_path / FOLDER


@pytest.mark.parametrize("damage", ["truncated", "no manifest", "no JSON"])
def test_damaged_weights_are_fetched_again(damage: str, hub: ModelHub, tmp_path: Path) -> None:
    folder = fetched(hub, tmp_path)
    if damage == "truncated":
        (folder / "model.bin").write_bytes(b"short")
    elif damage == "no manifest":
        (folder / "fetched.json").unlink()
    else:
        (folder / "fetched.json").write_text("{")

    assert contents(fetched(hub, tmp_path)) == NEEDED


def test_another_revision_replaces_the_one_that_is_there(hub: ModelHub, tmp_path: Path) -> None:
    fetched(hub, tmp_path)
    hub.files["model.bin"] = b"newer"

    folder = fetched(hub, tmp_path, revision="v1")

    assert contents(folder) == {**NEEDED, "model.bin": b"newer"}
    assert {path.name for path in tmp_path.iterdir()} == {FOLDER, f".{FOLDER}.lock"}


def test_a_cut_connection_is_continued_where_it_was_cut(hub: ModelHub, tmp_path: Path) -> None:
    hub.cuts = [1000, 2000]

    assert contents(fetched(hub, tmp_path)) == NEEDED
    assert hub.ranges() == ["", "bytes=1000-", "bytes=3000-"]


def test_the_next_attempt_continues_what_a_killed_one_has_received(hub: ModelHub, tmp_path: Path) -> None:
    hub.cuts = [1000, 0, 0, 0, 0, 0]
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:\d+ cannot be reached: closed the connection"):
        fetched(hub, tmp_path)
    assert find("tiny", tmp_path) is None
    hub.requests.clear()

    assert contents(fetched(hub, tmp_path)) == NEEDED
    assert hub.ranges() == ["bytes=1000-"]


def test_what_was_received_of_another_version_is_not_continued(hub: ModelHub, tmp_path: Path) -> None:
    hub.cuts = [1000, 0, 0, 0, 0, 0]
    with pytest.raises(UnreachableError):
        fetched(hub, tmp_path)
    hub.files["model.bin"] = bytes(5000)
    hub.requests.clear()

    assert contents(fetched(hub, tmp_path)) == {**NEEDED, "model.bin": bytes(5000)}
    assert hub.ranges() == [""]


def test_a_server_that_ignores_ranges_sends_the_file_from_its_start(hub: ModelHub, tmp_path: Path) -> None:
    hub.cuts, hub.ignores_ranges = [1000], True

    assert contents(fetched(hub, tmp_path)) == NEEDED


def test_a_failing_hub_is_asked_again(hub: ModelHub, tmp_path: Path) -> None:
    hub.fail_next = [503, 429, 500]

    assert contents(fetched(hub, tmp_path)) == NEEDED


def test_a_wrong_checksum_is_downloaded_once_more(hub: ModelHub, tmp_path: Path) -> None:
    hub.corrupt = 1

    assert contents(fetched(hub, tmp_path)) == NEEDED
    assert hub.ranges() == ["", ""]


def test_weights_with_a_wrong_checksum_never_appear(hub: ModelHub, tmp_path: Path) -> None:
    hub.corrupt = 2

    with pytest.raises(ChecksumError, match=rf"{NAME} at http.*: model.bin has the SHA-256 \w+ instead of \w+, twice"):
        fetched(hub, tmp_path)
    assert find("tiny", tmp_path) is None


def test_small_files_are_compared_with_their_git_object(hub: ModelHub, tmp_path: Path) -> None:
    listing = source(hub).list()
    hub.files["config.json"] = b'{"alignment_heads": 17}'

    class Stale(Hub):
        def list(self) -> Listing:
            return listing

    stale = Stale(Web(lambda _: None), NAME, "main", hub.url, "", offline=False)
    with pytest.raises(ChecksumError, match=r"config\.json has the Git object id"):
        fetch("tiny", tmp_path, stale, "main", Reporter("tiny", (), lambda: 0.0))


def test_the_token_goes_to_the_hub_and_not_to_its_cdn(hub: ModelHub, tmp_path: Path) -> None:
    hub.private = hub.gated = True

    assert contents(fetched(hub, tmp_path, HF_TOKEN=TOKEN)) == NEEDED
    cdn = [headers for _, path, headers in hub.requests if path.startswith("/cdn/")]
    assert cdn
    assert not any("authorization" in headers for headers in cdn)


def test_a_token_can_be_in_a_file(hub: ModelHub, tmp_path: Path) -> None:
    hub.private = True
    (tmp_path / "token").write_text(f"{TOKEN}\n")

    assert contents(fetched(hub, tmp_path / "cache", HF_TOKEN_PATH=str(tmp_path / "token"))) == NEEDED


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "is gated: accept its conditions at .* with an account, and set HF_TOKEN to a token of it"),
        (OTHER_TOKEN, "is gated: accept its conditions at .* with the account of HF_TOKEN"),
        ("hf_expired", r"refuses HF_TOKEN \(HTTP 401\): Invalid credentials in Authorization header"),
    ],
)
def test_a_gated_model_says_what_to_do(token: str, words: str, hub: ModelHub, tmp_path: Path) -> None:
    hub.gated = True

    with pytest.raises(DeniedError, match=words):
        fetched(hub, tmp_path, HF_TOKEN=token)


@pytest.mark.parametrize(
    ("token", "words"),
    [("", "does not exist. If it is private, set HF_TOKEN to a token that may read it"), (TOKEN, "does not exist$")],
)
def test_an_unknown_model_is_named(token: str, words: str, hub: ModelHub) -> None:
    with pytest.raises(UnknownModelError, match=f"nobody/nothing at {hub.url} {words}"):
        source(hub, "nobody/nothing", HF_TOKEN=token).list()


def test_an_unknown_size_lists_the_sizes() -> None:
    with pytest.raises(UnknownModelError, match=r"unknown model smal: choose a size \(tiny.en, tiny, .*Systran/"):
        Hub.from_environment(Web(lambda _: None), "smal", "main", {}).list()


def test_an_unknown_revision_is_named(hub: ModelHub, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="has no revision v9"):
        fetched(hub, tmp_path, revision="v9")


def test_weights_of_another_format_are_refused(hub: ModelHub, tmp_path: Path) -> None:
    hub.files = {"config.json": b"{}", "model.safetensors": b"", "vocab.json": b"{}"}

    with pytest.raises(UnknownModelError, match=r"has no CTranslate2 weights of Whisper: model\.bin, vocabulary\.json"):
        fetched(hub, tmp_path)


def test_an_endpoint_that_is_no_hub_is_named(hub: ModelHub, tmp_path: Path) -> None:
    reporter = Reporter("tiny", (), lambda: 0.0)
    no_hub = Hub.from_environment(
        Web(lambda _: None), NAME, "main", {"HF_ENDPOINT": f"{hub.url}/{NAME}/resolve/{COMMIT}/README.md?"}
    )

    with pytest.raises(UnreachableError, match="does not answer like a hub: check HF_ENDPOINT"):
        fetch("tiny", tmp_path, no_hub, "main", reporter)


def test_an_unreachable_hub_is_named(tmp_path: Path) -> None:
    waits: list[float] = []
    closed = Hub.from_environment(Web(waits.append), "tiny", "main", {"HF_ENDPOINT": "http://127.0.0.1:9"})

    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9 cannot be reached: Connection refused"):
        fetch("tiny", tmp_path, closed, "main", Reporter("tiny", (), lambda: 0.0))
    assert waits == [1, 2, 4, 8]


def test_an_offline_hub_is_not_asked(hub: ModelHub, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="HF_HUB_OFFLINE is set, and the weights are not on this volume"):
        fetched(hub, tmp_path, HF_HUB_OFFLINE="1")
    assert hub.requests == []


def test_free_space_is_checked_before_anything_is_downloaded(
    hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil's
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))

    with pytest.raises(DiskFullError, match=r"the weights need 0 MB more \(0 MB in all\), but .* has only 0 MB free"):
        fetched(hub, tmp_path)
    assert hub.ranges() == []


def test_a_disk_that_fills_up_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("speechwhisper.weights.transfer.Web.open", full)
    with pytest.raises(DiskFullError, match=r"no space left for config\.json"):
        Web(lambda _: None).download(RemoteFile("config.json", 5), "http://x/", {}, tmp_path / "part")


def test_a_folder_that_is_not_writable_is_named(hub: ModelHub, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FetchError, match=r"cannot write to .*/file: "):
        fetched(hub, tmp_path / "file")


def test_a_second_process_waits_for_the_first_and_uses_its_weights(hub: ModelHub, tmp_path: Path) -> None:
    recorder, waits, folders = Recorder(), threading.Event(), []

    class Waits(Recorder):
        def __call__(self, progress: Progress) -> None:
            if progress.stage == "waiting":
                waits.set()

    second = threading.Thread(target=lambda: folders.append(fetched(hub, tmp_path, Waits())), daemon=True)

    def while_first_downloads() -> None:
        if not waits.is_set():
            second.start()
            assert waits.wait(DEADLINE)

    class First(Hub):
        def list(self) -> Listing:
            while_first_downloads()
            return super().list()

    first = First(Web(lambda _: None), NAME, "main", hub.url, "", offline=False)
    folders.append(fetch("tiny", tmp_path, first, "main", Reporter("tiny", (recorder,), lambda: 0.0)))
    second.join(DEADLINE)

    assert folders == [tmp_path / FOLDER] * 2
    assert hub.ranges() == [""]  # downloaded once


def test_progress_ends_with_ready(hub: ModelHub, tmp_path: Path) -> None:
    recorder = Recorder()

    fetched(hub, tmp_path, recorder)

    stages = list(dict.fromkeys(progress.stage for progress in recorder.seen))
    assert stages == ["downloading", "verifying", "ready"]
    size = sum(map(len, NEEDED.values()))
    assert [(one.completed, one.total) for one in recorder.seen if one.stage == "verifying"] == [(size, size)]


def test_weights_are_copied_from_a_local_folder(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    for name, content in FILES.items():
        (share / name).write_bytes(content)

    folder = fetch("tiny", tmp_path / "cache", LocalFolder(share), "", Reporter("tiny", (), lambda: 0.0))

    assert contents(folder) == NEEDED
    assert find("tiny", tmp_path / "cache") == folder


@pytest.mark.parametrize("sums", [True, False])
def test_weights_are_fetched_from_a_folder_on_a_web_server(sums: bool, hub: ModelHub, tmp_path: Path) -> None:  # noqa: FBT001
    web = WebFolder(Web(lambda _: None), f"{hub.url}/{NAME}/resolve/{COMMIT}/")
    hub.cuts = [1000]
    if sums:
        hub.files["SHA256SUMS"] = b"00ff *model.bin\n"
        with pytest.raises(ChecksumError, match=r"model\.bin has the SHA-256 .* instead of 00ff"):
            fetch("tiny", tmp_path, web, "", Reporter("tiny", (), lambda: 0.0))
    else:
        folder = fetch("tiny", tmp_path, web, "", Reporter("tiny", (), lambda: 0.0))
        assert contents(folder) == NEEDED


def test_an_empty_folder_on_a_web_server_is_named(hub: ModelHub) -> None:
    web = WebFolder(Web(lambda _: None), f"{hub.url}/{NAME}/resolve/other/")

    with pytest.raises(UnknownModelError, match=r"has no CTranslate2 weights of Whisper"):
        web.list()
