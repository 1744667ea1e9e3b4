"""Which container image each component runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import Spec, Whisper
    from speechoperator.api.names import Component
    from speechoperator.settings import Settings


def images(spec: Spec, settings: Settings) -> Mapping[Component, str]:
    """Return the image of each component: the one in the spec, else the one configured in the operator."""
    return {
        "whisper": spec.whisper.image or _whisper(spec.whisper, settings),
        "ollama": spec.ollama.image or settings.ollama_image,
        "bridge": spec.bridge.image or settings.bridge_image,
    }


def _whisper(whisper: Whisper, settings: Settings) -> str:
    if whisper.engine == "asr-webservice":
        return settings.asr_webservice_gpu_image if whisper.gpus else settings.asr_webservice_image
    return settings.whisper_gpu_image if whisper.gpus else settings.whisper_image
