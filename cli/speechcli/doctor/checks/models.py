"""Whether the models are downloaded, and fit into the memory of the GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechcli.doctor.verdicts import fault, ok, warning
from speechcli.pipeline import state
from speechcli.status_view import download

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts, Json
    from speechcli.doctor.verdicts import Verdict

AREA = "models"


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge each language model, and Whisper's weights."""
    for model in state(facts.pipeline).models:
        match model.stage:
            case "Failed":
                yield fault(AREA, f"{model.name}: {model.message}", f"kubectl speech status {facts.name} -w")
            case "Pulling":
                yield warning(AREA, f"{model.name} is being downloaded: {download(model) or 'size unknown'}")
            case "Ready":
                yield ok(AREA, f"{model.name} is ready")
            case _:
                text = f"{model.name}: {model.stage.lower()}{f': {model.message}' if model.message else ''}"
                yield warning(AREA, text, f"kubectl speech status {facts.name} -w")
    for one in facts.status.get("models") or ():
        yield from _memory(one)


def _memory(model: Json) -> Iterator[Verdict]:
    memory, on_gpu = model.get("memoryBytes"), model.get("gpuBytes")
    if memory and on_gpu and on_gpu < memory:
        yield warning(
            AREA,
            f"{model['name']}: only {on_gpu * 100 // memory} % of it is on the GPU, the rest slows it down",
            "a smaller model or quantization, a lower spec.ollama.contextLength or parallel, or a larger GPU",
        )
    if model.get("swapped"):
        yield warning(
            AREA,
            f"{model['name']} was unloaded to load another model: requests wait while it is loaded again",
            "fewer models in the pipeline, or more memory for Ollama",
        )
