"""Build the container images of this project with Docker, and load them into the local cluster.

Unchanged images are not rebuilt. Where no container registry answers, the base image is made from Debian's packages and
Ollama from its Go module. The weights of Whisper tiny.en come from the package index.
"""

from speechlocal.images.commands import configure, run

__all__ = ["configure", "run"]
