"""The images as they come out of the builder: what is in them, and that they run with next to no rights."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from generator.images import recorded
from speechlocal import models, paths
from speechlocal.containers import docker, published
from speechlocal.errors import LocalError
from speechlocal.images import building, catalog, sbom
from speechlocal.images.building import Built
from speechlocal.images.labels import PREFIX
from speechlocal.offline import provide

pytestmark = pytest.mark.e2e

PACKAGES = {"bridge": "speechbridge", "whisper": "speechwhisper", "operator": "speechoperator"}
EXTRAS = {"bridge": ("bridge", "tracing"), "whisper": ("whisper", "tracing"), "operator": ("operator",)}
ALL = list(catalog.IMAGES)
SIZES = recorded((paths.REPOSITORY / "docs" / "reference" / "images.md").read_text())
GROWTH = 1.05  # a pod starts after its image has been pulled
CONTAINED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp", "--network=none")
CACHE = "--tmpfs=/cache:uid=10001,gid=10001"
NO_GPU = ("--env=NVIDIA_VISIBLE_DEVICES=void",)  # also where NVIDIA's is the default runtime
HEALTHY_WITHIN_S = 120
INSIDE = """
import importlib, importlib.metadata, importlib.util, json, pkgutil
package = importlib.import_module(PACKAGE)
for module in pkgutil.walk_packages(package.__path__, PACKAGE + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(json.dumps({
    "distributions": [found.name for found in importlib.metadata.distributions()],
    "others": [name for name in OTHERS if importlib.util.find_spec(name)],
}))
"""

# Opens libraries by bare name, as CTranslate2 does; nvrtc is opened by cuBLAS. The host provides the driver's library.
OPENING = """
import ctypes, importlib.util, json, pathlib, re
package = pathlib.Path(importlib.util.find_spec("ctranslate2").origin).parent
programs = [file.read_bytes() for file in package.parent.glob("ctranslate2*/*.so*")]
wanted = {name.decode() for program in programs for name in re.findall(rb"libcu[a-zA-Z_]+\\.so\\.\\d+", program)}
for name in wanted - {"libcuda.so.1"} | {"libnvrtc.so.12"}:
    ctypes.CDLL(name)
lines = [line.split() for line in open("/proc/self/maps")]
print(json.dumps({"wanted": sorted(wanted), "found": sorted({line[5] for line in lines if len(line) > 5})}))
"""


@pytest.fixture(scope="module")
def images(container_engine: None) -> dict[str, Built]:  # noqa: ARG001 - it is there
    """All images, built, those for GPUs too."""
    try:
        built = building.build(ALL, lambda _line: None)
    except LocalError as error:
        why = f"no images: {error.message}"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return {one.image.name: one for one in built}


@contextmanager
def running(name: str, *options: str) -> Iterator[str]:
    """A container of an image with next to no rights, gone afterwards; its id."""
    container = docker.docker("run", "--detach", *CONTAINED, *options, catalog.tag(name))
    try:
        yield container
    finally:
        docker.docker("rm", "--force", "--volumes", container)


def state(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker.docker("inspect", "--format", "{{json .State}}", container))
    return found


def wait_healthy(container: str) -> None:
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    while (now := state(container))["Health"]["Status"] != "healthy":
        if not now["Running"] or time.monotonic() > deadline:
            pytest.fail(f"{now}\n{docker.docker('logs', container)}")
        time.sleep(0.2)


def all_that(extras: tuple[str, ...]) -> set[str]:
    """The distributions that extras of ours need on this Python, and all that those need."""
    ours = metadata.requires("speechpipeline") or []
    waiting = [one for line in ours for extra in extras if wanted(one := Requirement(line), extra)]
    found = set[str]()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            if any(wanted(needed, of) for of in ("", *requirement.extras)):
                waiting.append(needed)
    return found


def wanted(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def printed_in(name: str, program: str) -> Any:
    """The JSON that a Python program prints in an image."""
    interpreter = ("--entrypoint=python3", catalog.tag(name), "-c")
    return json.loads(docker.docker("run", "--rm", *CONTAINED, *interpreter, program))


def with_weights() -> tuple[str, ...]:
    """Options that give a container of Whisper's image the weights of tiny.en."""
    return (f"--volume={models.whisper_weights()}:/weights:ro", "--env=WHISPER_MODEL=/weights")


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(("name", "of"), [*((name, name) for name in PACKAGES), ("whisper-cuda", "whisper")])
def test_an_image_has_one_package_its_libraries_and_nothing_else(name: str, of: str) -> None:
    others = [*(package for image, package in PACKAGES.items() if image != of), "speechlocal", "pip", "pytest"]

    inside = printed_in(name, f"PACKAGE, OTHERS = {PACKAGES[of]!r}, {others!r}\n{INSIDE}")

    assert inside["others"] == []
    assert {canonicalize_name(one) for one in inside["distributions"]} == all_that(EXTRAS[of]) | {"speechpipeline"}


@pytest.mark.usefixtures("images")
def test_the_image_for_gpus_has_nvidias_libraries_where_the_loader_looks() -> None:
    opened = printed_in("whisper-cuda", OPENING)

    assert "libcublas.so.12" in opened["wanted"]
    for name in ("libcublas.so.12", "libcublasLt.so.12", "libnvrtc.so.12"):
        assert [file for file in opened["found"] if file.startswith("/opt/cuda/") and file.endswith(name)], name


@pytest.mark.usefixtures("images")
def test_without_a_gpu_the_image_for_gpus_says_so_and_ends() -> None:
    options = (*CONTAINED, *with_weights(), *NO_GPU, "--env=WHISPER_DEVICE=cuda")

    with pytest.raises(LocalError, match=r"device cuda.*CUDA"):
        docker.docker("run", "--rm", *options, catalog.tag("whisper-cuda"))


@pytest.mark.usefixtures("images")
def test_the_image_for_gpus_serves_on_a_cpu_where_there_is_no_gpu() -> None:
    with running("whisper-cuda", *with_weights(), *NO_GPU) as container:
        wait_healthy(container)


@pytest.mark.parametrize("name", ALL)
def test_an_image_is_no_larger_than_recorded(images: dict[str, Built], name: str) -> None:
    assert images[name].size / 1_000_000 <= SIZES[images[name].tag] * GROWTH, "docs/record_images.py records it anew"


@pytest.mark.parametrize("name", ALL)
def test_an_image_names_the_one_it_is_built_on(images: dict[str, Built], name: str) -> None:
    if published.image(name):
        pytest.skip("built by others")
    base = catalog.IMAGES[name].base
    named = sbom.labels(catalog.tag(name))

    assert named[f"{PREFIX}base.name"] == (catalog.tag(base) if base else provide.tag("debian").partition("@")[0])
    assert named[f"{PREFIX}base.digest"].startswith("sha256:")
    assert {f"{PREFIX}{one}" for one in ("title", "description", "licenses")} <= set(named)
    if base:
        assert named[f"{PREFIX}base.digest"] == images[base].id


@pytest.mark.parametrize("name", PACKAGES)
def test_the_bill_of_materials_has_every_package(images: dict[str, Built], tmp_path: Path, name: str) -> None:
    [path] = sbom.write([images[name]], tmp_path)

    urls = [PackageURL.from_string(one["purl"]) for one in json.loads(path.read_text())["components"]]

    assert {canonicalize_name(one.name) for one in urls if one.type == "pypi"} == all_that(EXTRAS[name]) | {
        "speechpipeline"
    }
    assert {"python3", "libc6", "ca-certificates"} <= {one.name for one in urls if one.type == "deb"}


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize("name", ALL)
def test_an_image_says_what_it_is_and_runs_as_nobody_in_particular(name: str) -> None:
    config = json.loads(docker.docker("image", "inspect", "--format", "{{json .Config}}", catalog.tag(name)))

    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Labels"]["org.opencontainers.image.version"] == catalog.tag(name).rpartition(":")[2]


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bridge", ()),
        ("whisper-tiny.en", ("--env=WHISPER_DEVICE=cpu", "--env=WHISPER_COMPUTE_TYPE=int8")),
        ("ollama", (CACHE,)),
    ],
)
def test_a_server_runs_without_rights_on_a_read_only_file_system(name: str, options: tuple[str, ...]) -> None:
    with running(name, *options) as container:
        wait_healthy(container)
        rights = docker.docker("exec", container, "cat", "/proc/1/status")
        docker.docker("stop", "--time=30", container)

        assert "Uid:\t10001\t10001\t10001\t10001" in rights
        assert "CapEff:\t0000000000000000" in rights
        assert state(container)["ExitCode"] == 0


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(("name", "fault"), [("bridge", "WHISPER_URL=nowhere"), ("whisper", "WHISPER_DEVICE=tpu")])
def test_a_wrong_setting_is_named(name: str, fault: str) -> None:
    with pytest.raises(LocalError, match=fault.partition("=")[0]):
        docker.docker("run", "--rm", *CONTAINED, f"--env={fault}", catalog.tag(name))


@pytest.mark.usefixtures("images")
def test_the_operators_image_prints_its_definition() -> None:
    said = docker.docker("run", "--rm", *CONTAINED, catalog.tag("operator"), "crd")

    assert "speechpipelines.speechpipeline.dev" in said


def test_a_second_build_changes_nothing(images: dict[str, Built]) -> None:
    again = building.build(ALL, lambda _line: None)

    assert {one.image.name: one.id for one in again} == {name: one.id for name, one in images.items()}
    assert not any(one.changed for one in again)
