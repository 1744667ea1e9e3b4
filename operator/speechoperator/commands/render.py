"""`render FILE`: print the manifests of pipelines as the operator would apply them, without a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from speechoperator.api import SpeechPipeline, format_validation_error, kinds
from speechoperator.api.crd import PlainDumper
from speechoperator.errors import OperatorError
from speechoperator.kube import drift
from speechoperator.plan.decisions import from_spec
from speechoperator.plan.manifests.build import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from speechoperator.kube.objects import Object
    from speechoperator.settings import Settings


class RenderError(OperatorError):
    """The file cannot be rendered; the message says why, and where in the file."""

    code = "invalid_file"


def render(file: Path, namespace: str, settings: Settings) -> str:
    """Return the manifests of all pipelines in a file, as YAML.

    Args:
        file: YAML with one or more SpeechPipelines; other objects are skipped.
        namespace: For pipelines without one.
        settings: The settings: images, for instance.

    Raises:
        RenderError: the file does not exist, is not YAML, or has no pipeline or an invalid one.
    """
    pipelines = [_pipeline(file, raw, namespace) for raw in _documents(file)]
    if not pipelines:
        raise RenderError(f"{file}: no SpeechPipeline in this file")
    manifests = [
        dict(drift.stamped(manifest))
        for pipeline in pipelines
        for manifest in build(pipeline, settings, from_spec(pipeline, settings))
    ]
    return yaml.dump_all(manifests, Dumper=PlainDumper, sort_keys=False, width=120, allow_unicode=True)


def _documents(file: Path) -> Iterator[Object]:
    try:
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise RenderError(f"{file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RenderError(f"{file}: not valid YAML: {error}") from error
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "List":
            documents += document.get("items") or []
        elif isinstance(document, dict) and document.get("kind") == kinds.PIPELINE.name:
            yield document


def _pipeline(file: Path, raw: Object, namespace: str) -> SpeechPipeline:
    metadata: dict[str, Any] = {"namespace": namespace, **(raw.get("metadata") or {})}
    try:
        return SpeechPipeline.parse({**raw, "metadata": metadata}, unknown="forbid")
    except ValidationError as error:
        raise RenderError(
            f"{file}: {metadata.get('name', 'a SpeechPipeline without a name')}: {format_validation_error(error)}"
        ) from error
