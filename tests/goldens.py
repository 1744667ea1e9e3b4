"""Pipelines and the objects that they must become: a folder for each, with `pipeline.yaml` and `objects.yaml`."""

import os
from pathlib import Path
from typing import Any

import yaml

from speechoperator.api import SpeechPipeline
from speechoperator.plan.manifests.build import build
from speechoperator.settings import Settings

FOLDER = Path(__file__).parent / "operator" / "plan" / "manifests" / "golden"
CASES = sorted(path.parent.name for path in FOLDER.glob("*/pipeline.yaml"))
SETTINGS = Settings(pod_namespace="speech-system", image_pull_secrets=("release",))


def raw(case: str) -> dict[str, Any]:
    """The pipeline as a user writes it."""
    given: dict[str, Any] = yaml.safe_load((FOLDER / case / "pipeline.yaml").read_text())
    return given


def pipeline(case: str) -> SpeechPipeline:
    return SpeechPipeline.parse(raw(case), unknown="forbid")


def built(case: str) -> tuple[Any, ...]:
    return build(pipeline(case), SETTINGS)


def expected(case: str) -> str:
    """The objects' YAML. With UPDATE_GOLDEN=1 in the environment it is first written anew."""
    file = FOLDER / case / "objects.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text(built(case)))
    return file.read_text()


def text(objects: tuple[Any, ...]) -> str:
    return yaml.dump_all(objects, Dumper=_Readable, sort_keys=False, width=120)


class _Readable(yaml.SafeDumper):
    """Repeats what is used twice, and shows scripts line by line."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _text)
