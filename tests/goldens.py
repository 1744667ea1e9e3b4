"""Golden files: one folder per case, with a pipeline (`pipeline.yaml`) and its manifests (`objects.yaml`).

The pipelines in `examples/` are cases too; their folders hold the manifests alone.
"""

import os
from pathlib import Path
from typing import Any

import yaml

from speechoperator.api import SpeechPipeline
from speechoperator.plan.decisions import from_spec
from speechoperator.plan.manifests.build import build
from speechoperator.settings import Settings

FOLDER = Path(__file__).parent / "operator" / "plan" / "manifests" / "golden"
EXAMPLES = {
    f"example-{path.stem}": path for path in (Path(__file__).parents[1] / "examples").glob("speechpipeline*.yaml")
}
CASES = sorted([*(path.parent.name for path in FOLDER.glob("*/pipeline.yaml")), *EXAMPLES])
SETTINGS = Settings(pod_namespace="speech-system", image_pull_secrets=("release",))


def raw(case: str) -> dict[str, Any]:
    """The pipeline as written by a user."""
    file = EXAMPLES.get(case, FOLDER / case / "pipeline.yaml")
    given: dict[str, Any] = yaml.safe_load(file.read_text())
    return given


def pipeline(case: str) -> SpeechPipeline:
    return SpeechPipeline.parse(raw(case), unknown="forbid")


def built(case: str) -> tuple[Any, ...]:
    return build(pipeline(case), SETTINGS, from_spec(pipeline(case), SETTINGS))


def expected(case: str) -> str:
    """The manifests as YAML. UPDATE_GOLDEN=1 in the environment rewrites the file first."""
    file = FOLDER / case / "objects.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text(built(case)))
    return file.read_text()


def text(objects: tuple[Any, ...]) -> str:
    return yaml.dump_all(objects, Dumper=_Readable, sort_keys=False, width=120)


class _Readable(yaml.SafeDumper):
    """Writes YAML without aliases, and scripts line by line."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _text)
