"""Build the container images of this project with Docker, and load them into the local cluster.

What did not change is not built again. Where no container registry answers, the base is made from Debian's packages,
Ollama from its Go module, and the weights of Whisper tiny.en come from the package index.
"""

from speechlocal.images.commands import configure, run

__all__ = ["configure", "run"]
