"""The readiness probe of an Ollama pod: the script itself, with an `ollama` that lists what it is told."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import goldens

pytestmark = pytest.mark.unit

HEADER = "NAME               ID              SIZE      MODIFIED"


def spec() -> dict[str, object]:
    [found] = [
        one["spec"]["template"]["spec"]
        for one in goldens.built("minimal")
        if one["kind"] == "Deployment" and one["metadata"]["name"].endswith("ollama")
    ]
    return dict(found)


@dataclass
class Pod:
    """The files of a pod in a folder."""

    folder: Path

    def requires(self, *models: str) -> None:
        """What the ConfigMap has."""
        (self.folder / "models").write_text("".join(f"{model}\n" for model in models))

    def has(self, *models: str, works: bool = True) -> None:
        """What `ollama list` prints."""
        width = max(map(len, models), default=0) + 4
        rows = [f"{model:<{width}}a80c4f17acd5    2.0 GB    3 days ago" for model in models]
        listed = "\n".join([HEADER, *rows])
        ollama = self.folder / "ollama"
        lines = ("#!/bin/sh", '[ "$*" = list ] || exit 2', "cat <<END", listed, "END", f"exit {0 if works else 1}", "")
        ollama.write_text("\n".join(lines))
        ollama.chmod(0o755)

    def probe(self) -> tuple[bool, str]:
        """Whether it passes, and what it prints."""
        containers = spec()["containers"]
        assert isinstance(containers, list)
        shell, option, text = containers[0]["readinessProbe"]["exec"]["command"]
        files = {"/tmp/models-seen": "models-seen", "/etc/speechpipeline/ollama/models": "models"}  # noqa: S108
        for path, name in files.items():
            text = text.replace(path, str(self.folder / name))
        ran = subprocess.run(
            [shell, option, text],
            env={"PATH": f"{self.folder}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode == 0, ran.stdout.strip()


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_a_pod_with_all_models_is_ready(pod: Pod) -> None:
    pod.requires("llama3:latest", "registry:5000/library/phi4:latest")
    pod.has("registry:5000/library/phi4:latest", "llama3:latest", "other:1b")

    assert pod.probe() == (True, "")


@pytest.mark.parametrize("has", [(), ("llama3:8b",), ("my-llama3:latest",), ("llama3:latest-q4",)])
def test_a_pod_without_a_model_is_not_ready_and_says_which(pod: Pod, has: tuple[str, ...]) -> None:
    pod.requires("llama3:latest", "qwen3:4b")
    pod.has("qwen3:4b", *has)

    assert pod.probe() == (False, "missing models: llama3:latest")


def test_names_are_compared_as_ollama_does(pod: Pod) -> None:
    pod.requires("hf.co/bartowski/llama-3.2-1b-instruct-gguf:q4_k_m")
    pod.has("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M")

    assert pod.probe()[0]


def test_an_ollama_that_does_not_respond_is_not_ready(pod: Pod) -> None:
    pod.requires("llama3:latest")
    pod.has("llama3:latest", works=False)

    assert not pod.probe()[0]


def test_without_the_list_of_models_a_pod_is_not_ready(pod: Pod) -> None:
    pod.has("llama3:latest")

    assert not pod.probe()[0]


def test_a_pod_that_was_ready_stays_so_while_it_has_the_default(pod: Pod) -> None:
    pod.requires("llama3:latest", "qwen3:4b")
    pod.has("llama3:latest", "qwen3:4b")
    assert pod.probe()[0]

    pod.has("llama3:latest")
    assert pod.probe()[0]

    pod.has("qwen3:4b")
    assert pod.probe() == (False, "missing models: llama3:latest")


def test_a_pod_that_was_never_ready_needs_them_all(pod: Pod) -> None:
    pod.requires("llama3:latest", "qwen3:4b")
    pod.has("llama3:latest")

    assert pod.probe() == (False, "missing models: qwen3:4b")
