"""How a starting pipeline is shown."""

import io

import pytest
from rich.console import Console

from cli.starting_pipeline import PULLING, WAITING, pipeline
from speechcli import pipeline as pipelines
from speechcli import pipeline_progress

pytestmark = pytest.mark.unit


def plain(*states: pipelines.State) -> str:
    out = io.StringIO()
    with pipeline_progress.PipelineProgress(Console(file=out, width=200)) as progress:
        for state in states:
            progress.show(state)
    return out.getvalue()


def test_there_is_a_line_for_each_change() -> None:
    coming = pipelines.state(pipeline(whisper={"summary": "0/1"}, conditions=[WAITING], models=[PULLING]))
    there = pipelines.state(pipeline(whisper={"summary": "1/1"}, models=[PULLING | {"stage": "Ready"}]))

    assert plain(coming, coming, there).splitlines() == [
        "  whisper  0/1 ready",
        "  smollm2:135m: pulling 40 %",
        "  OllamaAvailable: 0/1 nodes: no GPU",
        "  whisper  1/1 ready",
        "  smollm2:135m: ready",
    ]


def test_a_terminal_shows_the_live_status() -> None:
    out = io.StringIO()
    with pipeline_progress.PipelineProgress(Console(file=out, width=100, force_terminal=True)) as progress:
        progress.show(pipelines.state(pipeline(models=[PULLING])))

    assert "49 of 98 MB, 3 s left" in out.getvalue()
