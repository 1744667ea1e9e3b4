"""`/readyz` reports the state of each component; `/health` and `/livez` only that the process serves."""

from dataclasses import replace
from typing import Any

import pytest

from bridge.running import WAV, Bridge, StartBridge, form, lead_to
from fakes.faults import busy, refusing_url, status
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice
from speechbridge import readiness
from speechbridge.upstreams.acquisition import PodRequest
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.wait_budget import WaitBudget

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe the components at every request."""
    monkeypatch.setattr(readiness, "_CACHE_TTL_S", 0.0)


async def ready(bridge: Bridge) -> tuple[int, dict[str, bool], dict[str, Any]]:
    async with bridge.client.get("/readyz") as response:
        document = await response.json()
    return response.status, {name: component["ready"] for name, component in document["components"].items()}, document


@pytest.mark.parametrize("path", ["/health", "/livez"])
async def test_it_is_alive_whatever_the_state_of_the_components(start_bridge: StartBridge, path: str) -> None:
    with refusing_url() as url:
        bridge = await start_bridge(whisper_url=url, ollama_url=url)
        async with bridge.client.get(path) as response:
            assert (response.status, await response.text()) == (200, "OK")


async def test_it_is_ready_when_all_components_are(bridge: Bridge, streaming_bridge: Bridge) -> None:
    for each in (bridge, streaming_bridge):
        code, components, document = await ready(each)
        assert (code, components, document["status"]) == (200, {"whisper": True, "llm": True}, "ready")


async def test_reports_whisper_unavailable_and_available_again(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    await bridge.json()  # leaves an idle connection behind, which proves nothing
    await asr.go_away()

    code, components, document = await ready(bridge)
    assert (code, components) == (503, {"whisper": False, "llm": True})
    assert document["status"] == "not ready"
    assert document["components"]["whisper"]["detail"]

    await asr.come_back()
    assert (await ready(bridge))[0] == 200


async def test_reports_an_unavailable_model_server(bridge: Bridge, ollama: FakeOllama) -> None:
    await ollama.go_away()

    assert (await ready(bridge))[:2] == (503, {"whisper": True, "llm": False})


async def test_reports_a_model_that_is_not_available_yet(start_bridge: StartBridge, asr: FakeAsrWebservice) -> None:
    async with FakeOllama(models=["one:1b", "two:latest"]) as ollama:
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, models="two,three:3b")
        code, _, document = await ready(bridge)

    assert code == 503
    assert "three:3b" in document["components"]["llm"]["detail"]


async def test_is_not_ready_without_any_model(start_bridge: StartBridge, asr: FakeAsrWebservice) -> None:
    async with FakeOllama(models=[]) as ollama:
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, models="")

        assert (await ready(bridge))[:2] == (503, {"whisper": True, "llm": False})


async def test_uses_the_readiness_of_whisper_itself(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.ready = False

    assert (await ready(streaming_bridge))[1] == {"whisper": False, "llm": True}


async def test_a_whisper_without_readyz_is_ready_when_it_responds(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.always(lambda received: status(404) if received.path == "/readyz" else None)

    assert (await ready(streaming_bridge))[0] == 200


async def test_a_busy_whisper_is_ready(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    """whisper-asr-webservice does not respond during a job: that it accepts a connection is enough."""
    asr.always(busy())
    asr.hold(Point.BEFORE_ANSWER)

    assert (await ready(bridge))[0] == 200


async def test_a_component_that_does_not_respond_in_time_is_not_ready(
    bridge: Bridge, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_PROBE_TIMEOUT_S", 0.05)
    gate = ollama.hold(Point.BEFORE_ANSWER)

    code, components, document = await ready(bridge)
    gate.release()

    assert (code, components) == (503, {"whisper": True, "llm": False})
    assert "0.05 s" in document["components"]["llm"]["detail"]


async def test_a_host_that_does_not_resolve_is_reported(start_bridge: StartBridge, ollama: FakeOllama) -> None:
    bridge = await start_bridge(whisper_url="http://whisper.invalid:9000", ollama_url=ollama.url)

    _, components, document = await ready(bridge)

    assert components == {"whisper": False, "llm": True}
    assert "whisper.invalid" in document["components"]["whisper"]["detail"]


async def test_components_are_probed_at_most_once_per_second(
    bridge: Bridge, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_CACHE_TTL_S", 3600.0)

    for _ in range(5):
        await ready(bridge)

    assert len(ollama.requests) == 1


async def test_during_shutdown_it_is_not_ready_and_rejects_requests(bridge: Bridge) -> None:
    bridge.service.admission.stopping = True

    code, _, document = await ready(bridge)
    got, refused = await bridge.json()

    assert (code, document["status"]) == (503, "stopping")
    assert (got, refused["code"]) == (503, "stopping")


# How far a component is, in the 503 of a request that needs it.


async def test_a_request_while_whisper_starts_hears_of_it(start_bridge: StartBridge, ollama: FakeOllama) -> None:
    with refusing_url() as url:
        bridge = await start_bridge(whisper_url=url, ollama_url=ollama.url)

        status, document = await bridge.json()

    assert (status, document["code"]) == (503, "transcriber_unavailable")
    assert document["loading"].keys() == {"stage", "since_seconds"}  # it has never seen it start
    assert document["loading"]["stage"] == "starting"


async def test_a_request_while_there_are_no_pods_hears_of_it(bridge: Bridge) -> None:
    await lead_to(bridge.service.whisper)

    async with bridge.client.post("/v1/audio/transcriptions", data=form(WAV)) as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"]) == (503, "transcriber_unavailable")
    assert error["loading"]["stage"] == "no_pods"


async def test_a_request_during_a_second_restart_hears_how_long_it_will_take(
    bridge: Bridge, asr: FakeAsrWebservice
) -> None:
    pods = bridge.service.whisper.pods
    await bridge.json()
    await asr.go_away()
    _, first = await bridge.json()
    await asr.come_back()
    await bridge.until(lambda: pods.outage.since is None)
    assert "eta_seconds" not in first["loading"]
    assert pods.outage.last_s

    pods.outage = replace(pods.outage, last_s=3600.0)
    await bridge.json()
    await asr.go_away()
    _, second = await bridge.json()

    assert 0 < second["loading"]["eta_seconds"] <= 3600


async def test_a_pod_without_requests_that_vanishes_from_dns_and_returns_has_been_measured(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    """The bridge follows the load of Whisper pods: their first connection needs no request."""
    bridge = await start_bridge(whisper_url=speech_whisper.url, ollama_url=ollama.url, transcriber="openai")
    pool = bridge.service.whisper
    (pod,) = pool.endpoints
    await bridge.json()
    await lead_to(pool)
    gone_at = pool.time()
    assert pool.pods.outage.noticed

    await bridge.until(lambda: pool.time() > gone_at)
    await lead_to(pool, pod.address)
    await bridge.until(lambda: pool.pods.outage.since is None)

    assert pool.pods.outage.last_s


async def test_requests_that_end_after_the_pod_do_not_end_the_outage(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    pool = bridge.service.whisper
    await bridge.json()
    await asr.go_away()
    await bridge.json()
    since = pool.pods.outage.since

    pool.release(pool.endpoints[0], PodRequest(WaitBudget(1.0, 1.0)), UpstreamError(FailureKind.DIED, "it died"))

    assert since is not None
    assert pool.pods.outage.since == since


async def test_a_request_while_the_model_is_pulled_hears_of_it(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, models="llama3:70b")

    chat = {"messages": [{"role": "user", "content": "Hello"}]}
    async with bridge.client.post("/v1/chat/completions", json=chat) as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"], error["loading"]) == (503, "model_missing", {"stage": "waiting_for_model"})


async def test_nothing_is_said_of_a_pod_that_runs_and_is_not_ready(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.ready = False

    assert await streaming_bridge.service.readiness.loading("transcriber_unavailable") is None


async def test_other_errors_say_nothing_of_components(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    await asr.go_away()

    _, document = await bridge.json(language="klingon")

    assert "loading" not in document
