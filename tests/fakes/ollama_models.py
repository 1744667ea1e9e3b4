"""The models of the fake of Ollama, and how its API describes them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Model:
    name: str
    context_length: int = 8192
    size: int = 98_000_000
    family: str = "llama"
    digest: str = "a3a4f6cd1f5d5f9d4a6b7c0e4f8e5c1d2b3a495867768594a3b2c1d0e9f8a7b6"

    @property
    def details(self) -> dict[str, Any]:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": "134.52M",
            "quantization_level": "Q4_1",
        }

    def listed(self) -> dict[str, Any]:
        """As in /api/tags."""
        return {
            "name": self.name,
            "model": self.name,
            "modified_at": now(),
            "size": self.size,
            "digest": self.digest,
            "details": self.details,
        }

    def running(self, context: int, expires: datetime) -> dict[str, Any]:
        """As in /api/ps, loaded with `context` tokens into the CPU's memory."""
        return {
            "name": self.name,
            "model": self.name,
            "size": self.size + 50_000_000,
            "digest": self.digest,
            "details": self.details,
            "expires_at": expires.isoformat(),
            "size_vram": 0,
            "context_length": context,
        }

    def shown(self) -> dict[str, Any]:
        """As /api/show tells it: the context length stands under the architecture's name."""
        info = {"general.architecture": "llama", "general.parameter_count": 134_515_008}
        return {
            "modelfile": f"FROM {self.name}\n",
            "template": "{{ .Prompt }}",
            "details": self.details,
            "model_info": {**info, "llama.context_length": self.context_length},
            "capabilities": ["completion"],
            "modified_at": now(),
        }

    def openai(self) -> dict[str, Any]:
        """As in /v1/models."""
        return {"id": self.name, "object": "model", "created": 1764000000, "owned_by": "library"}


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
