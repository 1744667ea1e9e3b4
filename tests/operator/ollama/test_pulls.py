"""Pulls in the background, against an Ollama that pulls as the real one does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fakes.faults import Answer, EndsEarly, StreamError
from fakes.gates import Point
from fakes.ollama_models import Model
from fakes.ollama_pod import FakeOllamaPod, Registry, is_pull
from speechoperator.errors import OllamaError
from speechoperator.kube.objects import Key
from speechoperator.ollama.client import OllamaClient
from speechoperator.ollama.pulls import Pulls
from speechoperator.ollama.turns import Turns
from speechoperator.plan.actions import StartPull, StopPull
from speechoperator.plan.models.definitions import marker, replaced, source_marker
from speechoperator.plan.models.pull_errors import advice
from speechoperator.plan.snapshot import Pull
from speechoperator.telemetry.metrics import Metrics

pytestmark = pytest.mark.unit

KEY = Key("team", "p")
NAME = ("pod:p-ollama-0", "llama3")


@dataclass
class Bench:
    """Pulls and what they told."""

    pod: FakeOllamaPod
    ollama: OllamaClient
    metrics: Metrics = field(default_factory=Metrics)
    pulled: list[Key] = field(default_factory=list)
    changes: int = 0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        self.pulls = Pulls(
            self.ollama, self.metrics, self._changed, self._pulled, turns=Turns(8), jitter=lambda: self.jitter
        )
        self._event = asyncio.Event()

    def start(self, model: str = "llama3", source: str = "", **more: Any) -> None:
        action = StartPull("p-ollama-0", self.pod.url, "pod:p-ollama-0", model, source or model, **more)
        self.pulls.start(KEY, [action])

    async def names(self) -> set[str]:
        """What the pod lists, without markers of sources."""
        listed = await self.ollama.models(self.pod.url)
        return {name for name in listed if not name.startswith("speechpipeline/source-")}

    @property
    def pull(self) -> Pull | None:
        return self.pulls.of(KEY).get(NAME)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until `condition` holds, looked at whenever there is news."""
        async with asyncio.timeout(10):
            while not condition():
                self._event.clear()
                await self._event.wait()

    def _changed(self, key: Key) -> None:
        assert key == KEY
        self.changes += 1
        self._event.set()

    async def _pulled(self, key: Key) -> None:
        self.pulled.append(key)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"speechoperator_{name}", labels) or 0.0


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    registry = Registry(["llama3", "registry.local:5000/library/llama3"])
    async with FakeOllamaPod(registry) as pod, OllamaClient(timeout=5, stall_timeout=5) as ollama:
        bench = Bench(pod, ollama)
        yield bench
        await bench.pulls.close()


async def test_a_pull_that_is_done_is_listed_no_more_and_the_pods_are_asked(bench: Bench) -> None:
    bench.start()
    assert bench.pull == Pull("llama3", "pod:p-ollama-0", "Pulling", pod="p-ollama-0")
    await bench.until(lambda: bench.pull is None)
    assert bench.pulled == [KEY]
    assert "llama3:latest" in await bench.ollama.models(bench.pod.url)
    assert bench.count("pulls_total", outcome="ok") == 1


async def test_a_pull_that_runs_is_not_started_again(bench: Bench) -> None:
    gate = bench.pod.hold(Point.BEFORE_CHUNK)
    bench.start()
    await gate.reached()
    bench.start()
    gate.release()
    await bench.until(lambda: bench.pull is None)
    assert len(bench.pod.pulls) == 1


async def test_progress_is_the_sum_of_the_layers_and_outlives_silence(bench: Bench) -> None:
    gate = bench.pod.hold(Point.BEFORE_CHUNK)
    bench.start()
    await gate.reached()
    gate.step()
    await gate.reached()
    await bench.until(lambda: bench.pull is not None and bench.pull.completed > 0)
    pull = bench.pull
    assert pull is not None
    assert 0 < pull.completed < pull.total
    assert bench.count("pull_bytes_total") == pull.completed
    gate.release()


async def test_an_error_under_status_200_is_a_failure_with_a_time_for_the_next_try(bench: Bench) -> None:
    bench.pod.script(StreamError(after=0, message="no space left on device"), only=is_pull)
    bench.start()
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    pull = bench.pull
    assert pull is not None
    assert pull.error == "no space left on device"
    assert pull.attempts == 1
    assert pull.retry_at is not None
    assert bench.pulled == []
    assert bench.count("pulls_total", outcome="failed") == 1


async def test_a_pull_that_has_joined_an_aborted_download_begins_again(bench: Bench) -> None:
    in_a_part = 'Get "https://registry.example/blobs/sha256:5a03": context canceled'
    bench.pod.script(StreamError(after=0, message="context canceled"), StreamError(1, in_a_part), only=is_pull)
    bench.start()
    await bench.until(lambda: bench.pulled)
    assert bench.count("pulls_total", outcome="ok") == 1
    assert bench.count("pulls_total", outcome="failed") == 0
    assert len(bench.pod.pulls) == 3


async def test_a_pull_that_is_aborted_each_time_fails(bench: Bench) -> None:
    bench.pod.always(lambda received: StreamError(0, "context canceled") if is_pull(received) else None)
    bench.start()
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    assert len(bench.pod.pulls) == 3


async def test_failures_in_a_row_are_counted_while_no_byte_comes(bench: Bench) -> None:
    bench.pod.script(Answer(500, b'{"error": "it broke"}'), Answer(500, b'{"error": "it broke"}'), only=is_pull)
    for attempts in (1, 2):
        bench.start()
        running = bench.pull
        assert running is not None
        assert (running.stage, running.attempts) == ("Pulling", attempts - 1)
        await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    pull = bench.pull
    assert pull is not None
    assert (pull.error, pull.attempts) == ("it broke", 2)


async def test_the_wait_after_damaged_data_grows_although_bytes_come_each_time(bench: Bench) -> None:
    bench.pod.script(Answer(500, b'{"error": "digest mismatch"}'), EndsEarly(after=3), only=is_pull)
    bench.start()
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    bench.start()
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")

    assert bench.pull is not None
    assert bench.pull.attempts == 2


async def test_bytes_that_came_after_a_lost_connection_make_the_next_failure_the_first(bench: Bench) -> None:
    bench.pod.script(Answer(500, b'{"error": "unexpected EOF"}'), EndsEarly(after=3), only=is_pull)
    bench.start()
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    bench.start()
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    pull = bench.pull
    assert pull is not None
    assert pull.attempts == 1
    assert "ended early" in pull.error
    assert pull.completed > 0


async def test_a_pull_that_failed_goes_on_where_it_was(bench: Bench) -> None:
    bench.pod.script(EndsEarly(after=3), only=is_pull)
    bench.start()
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    before = bench.count("pull_bytes_total")
    bench.start()
    await bench.until(lambda: bench.pull is None)
    total = sum(layer.size for layer in bench.pod.registry.models["llama3:latest"])
    assert before + bench.count("pull_bytes_total") - before <= total, "what is there is not pulled again"


async def test_a_line_that_goes_dead_is_a_failure() -> None:
    async with FakeOllamaPod(Registry(["llama3"])) as pod, OllamaClient(timeout=5, stall_timeout=0.2) as ollama:
        bench = Bench(pod, ollama)
        gate = pod.hold(Point.BEFORE_CHUNK)
        bench.start()
        await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
        pull = bench.pull
        assert pull is not None
        assert pull.error == "no progress in time"
        gate.release()
        await bench.pulls.close()


async def test_a_pod_that_is_not_there_is_a_failure_in_plain_words(bench: Bench) -> None:
    await bench.pod.go_away()
    bench.start()
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    pull = bench.pull
    assert pull is not None
    assert pull.error == "Connection refused"


async def test_a_model_from_another_registry_gets_the_name_that_the_spec_gives_it(bench: Bench) -> None:
    bench.start("llama3", source="registry.local:5000/library/llama3")
    await bench.until(lambda: bench.pull is None)
    assert await bench.names() == {"llama3:latest"}


async def test_a_model_is_marked_with_its_source(bench: Bench) -> None:
    source = "registry.local:5000/library/llama3"
    bench.start("llama3", source=source)
    await bench.until(lambda: bench.pull is None)

    models = await bench.ollama.models(bench.pod.url)
    assert models[source_marker("llama3", source)] == models["llama3:latest"]


async def test_a_model_that_is_there_is_adopted_without_a_pull(bench: Bench) -> None:
    bench.pod.volume.models["llama3:latest"] = Model("llama3:latest")

    bench.start("llama3", source="registry.local:5000/library/llama3", adopt=True)
    await bench.until(lambda: bench.pull is None)

    assert source_marker("llama3", "registry.local:5000/library/llama3") in bench.pod.volume.models
    assert bench.pod.pulls == []
    assert not bench.pulls.refreshed(KEY), "it was not pulled now"


async def test_a_model_that_is_gone_meanwhile_is_not_missing_in_a_registry(bench: Bench) -> None:
    bench.start("llama3", adopt=True)
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")

    assert bench.pull is not None
    assert bench.pull.error == 'cannot copy llama3: model "llama3" not found'
    assert advice(bench.pull.error) == ""


async def test_a_model_that_was_marked_meanwhile_is_not_adopted(bench: Bench) -> None:
    """Another pipeline has pulled it meanwhile, from elsewhere."""
    theirs = source_marker("llama3", "registry.local:5000/library/theirs")
    bench.pod.volume.models |= {name: Model(name) for name in ("llama3:latest", theirs)}

    bench.start("llama3", source="registry.local:5000/library/llama3", adopt=True)
    await bench.until(lambda: bench.pull is None)

    assert bench.pod.volume.models.keys() == {"llama3:latest", theirs}


async def test_a_model_that_is_replaced_is_deleted_afterwards(bench: Bench) -> None:
    """Ollama frees the weights of a deleted name, but not of one that is pulled again."""
    old = replaced("llama3", Model("").digest)
    bench.pod.volume.models["llama3:latest"] = Model("llama3:latest")
    gate = bench.pod.hold(Point.BEFORE_CHUNK)
    bench.start(refresh=True)
    await gate.reached()
    assert await bench.names() == {"llama3:latest", old}

    gate.release()
    await bench.until(lambda: bench.pull is None)

    assert await bench.names() == {"llama3:latest"}
    deleted = [received.json for received in bench.pod.requests if received.method == "DELETE"]
    assert deleted == [{"model": old}]


async def test_a_model_whose_replacement_fails_is_kept(bench: Bench) -> None:
    bench.pod.volume.models["llama3:latest"] = Model("llama3:latest")
    bench.pod.script(EndsEarly(after=3), only=is_pull)
    bench.start(refresh=True)
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")

    assert bench.pod.volume.models["llama3:latest"].digest == Model("").digest


async def test_a_model_that_is_wanted_under_both_names_keeps_both(bench: Bench) -> None:
    source = "registry.local:5000/library/llama3"
    bench.start(source)
    await bench.until(lambda: not bench.pulls.of(KEY))
    bench.start("llama3", source=source)
    await bench.until(lambda: not bench.pulls.of(KEY))
    assert await bench.names() == {"llama3:latest", f"{source}:latest"}


async def test_a_source_that_is_the_model_itself_is_not_taken_off(bench: Bench) -> None:
    bench.start("llama3", source="llama3:latest")
    await bench.until(lambda: bench.pull is None)
    assert await bench.names() == {"llama3:latest"}


async def test_a_pull_that_nobody_wants_any_more_ends_at_ollama_too(bench: Bench) -> None:
    gate = bench.pod.hold(Point.BEFORE_CHUNK)
    bench.start()
    await gate.reached()
    bench.pulls.stop(KEY, StopPull(*NAME, reason="llama3 left the spec"))
    assert bench.pulls.of(KEY) == {}
    await bench.pod.until(lambda: not +bench.pod.volume.pulling)
    gate.release()
    assert bench.pulled == []


async def test_all_pulls_of_a_pipeline_that_goes_end(bench: Bench) -> None:
    gate = bench.pod.hold(Point.BEFORE_CHUNK)
    bench.start()
    await gate.reached()
    bench.pulls.forget(KEY)
    assert bench.pulls.of(KEY) == {}
    assert bench.count("pulls_running") == 0
    gate.release()


async def test_a_failed_pull_is_forgotten_too(bench: Bench) -> None:
    bench.pod.script(StreamError(after=0), only=is_pull)
    bench.start()
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    bench.pulls.stop(KEY, StopPull(*NAME, reason="llama3 left the spec"))
    assert bench.pulls.of(KEY) == {}


async def test_connections_are_closed_after_each_answer(bench: Bench) -> None:
    for _ in range(2):
        await bench.ollama.models(bench.pod.url)
    assert all(request.headers.get("Connection") == "close" for request in bench.pod.requests)


@pytest.mark.parametrize("body", [b"[]", b"<html>", b'{"models": 3}'])
async def test_what_is_no_ollama_is_said_to_be_none(bench: Bench, body: bytes) -> None:
    bench.pod.script(Answer(200, body), only=lambda received: received.path == "/api/tags")
    with pytest.raises(OllamaError):
        await bench.ollama.models(bench.pod.url)


async def test_a_model_larger_than_the_limit_of_its_emptydir_is_not_pulled(bench: Bench) -> None:
    """The kubelet would evict the pod in the middle of the pull."""
    action = StartPull("p-ollama-0", bench.pod.url, "pod:p-ollama-0", "llama3", "llama3", capacity=50 << 20)
    gate = bench.pod.hold(Point.BEFORE_CHUNK)

    bench.pulls.start(KEY, [action])

    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    assert bench.pull is not None
    assert bench.pull.error == "the model needs 103 MB, and the volume holds 52 MB"
    gate.release()


async def test_a_model_that_does_not_fit_beside_the_others_is_not_pulled(bench: Bench) -> None:
    """The replacement of the evicted pod would download all of them again, and be evicted again."""
    volume = {"capacity": 150 << 20, "used": 60 << 20}
    gate = bench.pod.hold(Point.BEFORE_CHUNK)

    bench.pulls.start(KEY, [StartPull("p-ollama-0", bench.pod.url, "pod:p-ollama-0", "llama3", "llama3", **volume)])

    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")
    assert bench.pull is not None
    others = "of which other models take 63 MB"
    assert bench.pull.error == f"the model needs 103 MB, and the volume holds 157 MB, {others}"
    gate.release()


async def test_a_model_of_which_another_has_the_layers_is_pulled(bench: Bench) -> None:
    bench.start()
    await bench.until(lambda: not bench.pulls.of(KEY))
    volume = {"capacity": 150 << 20, "used": 100 << 20, "refresh": True}

    bench.pulls.start(KEY, [StartPull("p-ollama-0", bench.pod.url, "pod:p-ollama-0", "llama3", "llama3", **volume)])

    await bench.until(lambda: bench.pull is None or bench.pull.stage == "Failed")
    assert bench.pull is None


async def test_retries_after_the_same_failure_are_spread(bench: Bench) -> None:
    """A registry that comes back is not met by all pulls at once."""
    bench.jitter = 1.0
    bench.pod.script(StreamError(after=0, message="it broke"), only=is_pull)
    before = datetime.now(UTC)
    bench.start()
    await bench.until(lambda: bench.pull is not None and bench.pull.stage == "Failed")

    assert bench.pull is not None
    assert bench.pull.retry_at is not None
    assert bench.pull.retry_at >= before + timedelta(seconds=5 * 1.25)


DEFINED = {"from": "llama3", "system": "Answer briefly."}


def derived(bench: Bench, **more: Any) -> StartPull:
    return StartPull("p-ollama-0", bench.pod.url, "pod:p-ollama-0", "support", "llama3", definition=DEFINED, **more)


async def test_a_derived_model_is_created_from_its_base_which_stays(bench: Bench) -> None:
    bench.pulls.start(KEY, [derived(bench)])
    await bench.until(lambda: not bench.pulls.of(KEY))

    models = await bench.ollama.models(bench.pod.url)
    mark = marker("support", DEFINED, models["llama3:latest"])
    assert set(models) == {"llama3:latest", "support:latest", mark}
    assert models["support:latest"] == models[mark] != models["llama3:latest"]


async def test_the_base_of_a_derived_model_is_pulled_only_if_it_is_missing(bench: Bench) -> None:
    """In a closed network the registry may be gone once the base is there."""
    bench.start()
    await bench.until(lambda: not bench.pulls.of(KEY))
    bench.pulls.start(KEY, [derived(bench)])
    await bench.until(lambda: not bench.pulls.of(KEY))
    assert len(bench.pod.pulls) == 1

    bench.pulls.start(KEY, [derived(bench, refresh=True)])
    await bench.until(lambda: not bench.pulls.of(KEY))
    assert len(bench.pod.pulls) == 2


async def test_when_a_model_was_pulled_is_known(bench: Bench) -> None:
    bench.start()
    assert not bench.pulls.refreshed(KEY)
    await bench.until(lambda: bench.pull is None)
    assert set(bench.pulls.refreshed(KEY)) == {NAME}


SHARED = "pvc:shared-models"
OTHER = Key("team", "other")


@dataclass
class Sharing:
    """Two pipelines of a namespace whose pods have one volume, and one of another namespace."""

    pod: FakeOllamaPod
    pulls: Pulls
    told: list[Key]
    failed: asyncio.Event
    """Set once the first pipeline has no pull that runs."""

    def start(self, key: Key, model: str = "llama3", volume: str = SHARED) -> None:
        self.pulls.start(key, [StartPull("pod", self.pod.url, volume, model, model)])

    def runs(self, key: Key) -> bool:
        return any(pull.stage == "Pulling" for pull in self.pulls.of(key).values())


@pytest.fixture
async def sharing() -> AsyncIterator[Sharing]:
    async with (
        FakeOllamaPod(Registry(["llama3", "qwen3:4b"])) as pod,
        OllamaClient(timeout=5, stall_timeout=5) as ollama,
    ):
        told: list[Key] = []
        failed = asyncio.Event()

        def changed(key: Key) -> None:
            told.append(key)
            if any(pull.stage == "Failed" for pull in pulls.of(KEY).values()):
                failed.set()

        async def pulled(_: Key) -> None:
            return

        pulls = Pulls(ollama, Metrics(), changed, pulled, Turns(2))
        yield Sharing(pod, pulls, told, failed)
        await pulls.close()


async def test_one_pull_at_a_time_fills_a_volume_whichever_pipeline_starts_it(sharing: Sharing) -> None:
    gate = sharing.pod.hold(Point.BEFORE_CHUNK)
    sharing.start(KEY)
    await gate.reached()

    sharing.start(OTHER, "qwen3:4b")

    assert not sharing.runs(OTHER)
    why = "waiting for the volume: pipeline p pulls llama3 into it"
    assert sharing.pulls.waiting(OTHER) == {(SHARED, "qwen3:4b"): why}
    assert OTHER in sharing.told, "it reports that"

    sharing.told.clear()
    sharing.pulls.forget(KEY)
    assert OTHER in sharing.told, "it tries again"
    sharing.start(OTHER, "qwen3:4b")
    assert sharing.runs(OTHER)
    assert not sharing.pulls.waiting(OTHER)


async def test_a_failed_pull_lets_others_have_the_volume(sharing: Sharing) -> None:
    sharing.start(KEY, "unknown")
    sharing.start(OTHER)
    async with asyncio.timeout(10):
        await sharing.failed.wait()

    sharing.start(OTHER)

    assert sharing.runs(OTHER)


async def test_a_volume_of_the_same_name_in_another_namespace_is_another(sharing: Sharing) -> None:
    sharing.start(KEY)
    sharing.start(Key("elsewhere", "p"))

    assert sharing.runs(Key("elsewhere", "p"))


async def test_no_more_pulls_run_than_the_limit(sharing: Sharing) -> None:
    third = Key("team", "third")
    sharing.start(KEY, volume="pod:a")
    sharing.start(OTHER, volume="pod:b")
    sharing.start(third, volume="pod:c")

    assert not sharing.runs(third)
    assert sharing.pulls.waiting(third) == {
        ("pod:c", "llama3"): "waiting: 2 pulls are running, as many as MAX_PULLS allows"
    }


async def test_a_model_that_is_no_longer_wanted_does_not_wait(sharing: Sharing) -> None:
    sharing.start(KEY)
    sharing.start(OTHER, "qwen3:4b")

    sharing.pulls.start(OTHER, [])

    assert not sharing.pulls.waiting(OTHER)
