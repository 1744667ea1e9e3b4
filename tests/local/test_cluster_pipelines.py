"""What `make cluster` reads of a pipeline, and how it shows it."""

import io
import json
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from speechlocal.cluster import pipeline_progress, pipelines
from speechlocal.errors import LocalError

pytestmark = pytest.mark.unit

PULLING = {
    "name": "smollm2:135m",
    "stage": "Pulling",
    "completedBytes": 49_000_000,
    "totalBytes": 98_000_000,
    "etaSeconds": 3,
}
WAITING = {"type": "OllamaAvailable", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: no GPU"}


def condition(kind: str, status: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": "Said", "message": message}


def pipeline(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "speech", "generation": 2}, "status": {"observedGeneration": 2, **status}}


def plain(*states: pipelines.State) -> str:
    out = io.StringIO()
    with pipeline_progress.PipelineProgress(Console(file=out, width=200)) as progress:
        for state in states:
            progress.show(state)
    return out.getvalue()


class TestState:
    def test_a_new_pipeline_has_an_empty_state(self) -> None:
        state = pipelines.state({"metadata": {"name": "speech", "generation": 1}})

        assert not state.ready
        assert state.unmet == ()

    def test_ready_counts_only_for_the_spec_as_it_is_now(self) -> None:
        ready = [condition("Ready", "True")]

        assert pipelines.state(pipeline(conditions=ready)).ready
        assert not pipelines.state(pipeline(conditions=ready, observedGeneration=1)).ready

    def test_the_weights_of_whisper_are_one_of_the_models(self) -> None:
        weights = {"name": "small", "stage": "Pulling", "completedBytes": 10, "totalBytes": 40, "etaSeconds": 3}
        state = pipelines.state(pipeline(whisper={"summary": "0/1", "model": weights}, models=[PULLING]))

        assert [(one.name, one.completed, one.eta_s) for one in state.models] == [
            ("Whisper small", 10, 3),
            ("smollm2:135m", 49_000_000, 3),
        ]

    def test_the_canary_counts_once_it_has_succeeded(self) -> None:
        verified = condition("Verified", "True", "a spoken sentence was answered in less than 2 s")

        assert pipelines.state(pipeline(conditions=[condition("Verified", "Unknown")])).verified is None
        found = pipelines.state(pipeline(conditions=[verified])).verified
        assert found
        assert found.message == verified["message"]

    def test_an_unmet_condition_is_listed_once(self) -> None:
        ready = condition("Ready", "False", "OllamaAvailable: 0/1 nodes: no GPU")
        state = pipelines.state(pipeline(conditions=[ready, WAITING, condition("Progressing", "False")]))

        assert [one.type for one in state.unmet] == ["OllamaAvailable"]

    def test_ready_is_listed_if_it_is_the_only_unmet_condition(self) -> None:
        state = pipelines.state(pipeline(conditions=[condition("Ready", "False", "the spec is wrong")]))

        assert [one.message for one in state.unmet] == ["the spec is wrong"]


class TestWatch:
    @staticmethod
    def kubectl(folder: Path, body: str) -> list[str]:
        script = folder / "kubectl.py"
        script.write_text(f"import sys, time\n{body}")
        return [sys.executable, str(script)]

    async def test_each_object_is_yielded_as_soon_as_it_is_complete(self, tmp_path: Path) -> None:
        first, second = (json.dumps(pipeline(url=url), indent=2, ensure_ascii=False) for url in ("é", "b"))
        half = len(first.encode()) // 2
        body = f"""
whole = {(first + chr(10) + second).encode()!r}
sys.stdout.buffer.write(whole[:{half}]); sys.stdout.buffer.flush()
sys.stdout.buffer.write(whole[{half}:]); sys.stdout.buffer.flush()
sys.stdin.read()
"""
        seen = []
        async with aclosing(pipelines.watch(self.kubectl(tmp_path, body), "default", "speech")) as states:
            async for state in states:
                seen.append(state.url)
                if len(seen) == 2:
                    break

        assert seen == ["é", "b"]

    async def test_a_failure_has_kubectls_own_message(self, tmp_path: Path) -> None:
        kubectl = self.kubectl(tmp_path, "sys.exit('Error from server (NotFound): no speech')")

        with pytest.raises(LocalError, match="NotFound"):
            async with aclosing(pipelines.watch(kubectl, "default", "speech")) as states:
                await anext(states)


class TestView:
    def test_there_is_a_line_for_each_change(self) -> None:
        coming = pipelines.state(pipeline(whisper={"summary": "0/1"}, conditions=[WAITING], models=[PULLING]))
        there = pipelines.state(pipeline(whisper={"summary": "1/1"}, models=[PULLING | {"stage": "Ready"}]))

        assert plain(coming, coming, there).splitlines() == [
            "  whisper  0/1 ready",
            "  smollm2:135m: pulling 40 %",
            "  OllamaAvailable: 0/1 nodes: no GPU",
            "  whisper  1/1 ready",
            "  smollm2:135m: ready",
        ]

    def test_terminal_shows_bytes_and_the_time_left(self) -> None:
        out = io.StringIO()
        console = Console(file=out, width=100, force_terminal=True, color_system=None)
        console.print(pipeline_progress.table(pipelines.state(pipeline(models=[PULLING]))))

        assert "49 of 98 MB, 3 s left" in out.getvalue()
