"""Build the container images of this project with Docker, and load them into the local cluster.

Unchanged images are not rebuilt. If no container registry is reachable, the base image is built from Debian's packages
and Ollama from its Go module. The weights of Whisper tiny.en come from the package index.
"""

from speechlocal.images.commands import configure, run

__all__ = ["configure", "run"]
