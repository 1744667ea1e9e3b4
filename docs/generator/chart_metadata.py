"""The generated part of Chart.yaml: the icon, and what Artifact Hub reads.

Source: https://artifacthub.io/docs/topics/annotations/helm/. The part above the mark is written by hand.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import yaml

from speechlocal import paths
from speechoperator.api import crd

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART = paths.CHART / "Chart.yaml"
MARK = "# Written by `make docs` from here on.\n"

_ICON = paths.REPOSITORY / "bridge" / "speechbridge" / "playground" / "icon.svg"
_EXAMPLE = paths.REPOSITORY / "examples" / "speechpipeline-minimal.yaml"
_CHANGELOG = paths.REPOSITORY / "CHANGELOG.md"
_KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
"""The kinds of changes that Artifact Hub knows; the changelog's others are left out."""
_FACTS = {
    "category": "ai-machine-learning",
    "license": "Apache-2.0",
    "operator": "true",
    # The next level, Full Lifecycle, includes backups, which the operator does not make.
    "operatorCapabilities": "Seamless Upgrades",
    "prerelease": "true",  # as long as the API is v1alpha1
}


def chart_file() -> str:
    """Return Chart.yaml with its generated part renewed."""
    by_hand = CHART.read_text(encoding="utf-8").partition(MARK)[0]
    chart = yaml.safe_load(by_hand)
    changelog = _CHANGELOG.read_text(encoding="utf-8")
    generated = {"icon": _icon(), "annotations": artifact_hub(chart["appVersion"], changelog, chart.get("home", ""))}
    return by_hand + MARK + yaml.dump(generated, Dumper=_Readable, sort_keys=False, width=10_000)


def artifact_hub(version: str, changelog: str, home: str = "") -> dict[str, str]:
    """Return the annotations of a version of the chart.

    Those about its changes are there once the changelog has them, links once the repository has an address (`home`).
    """
    lists: dict[str, list[dict[str, Any]]] = {"images": images(version), "crds": [_definition()]}
    lists["crdsExamples"] = [yaml.safe_load(_EXAMPLE.read_text(encoding="utf-8"))]
    if home:
        lists["links"] = links(home)
    facts = dict(_FACTS)
    if made := list(changes(version, changelog)):
        lists["changes"] = made
        facts["containsSecurityUpdates"] = str(any(one["kind"] == "security" for one in made)).lower()
    texts = {name: yaml.dump(value, Dumper=_Readable, sort_keys=False, width=10_000) for name, value in lists.items()}
    return {f"artifacthub.io/{name}": value for name, value in {**facts, **texts}.items()}


def images(version: str) -> list[dict[str, Any]]:
    """Return the images that a release with the default values may run."""
    values = yaml.safe_load((paths.CHART / "values.yaml").read_text(encoding="utf-8"))["images"]
    suffixes = {"whisperGpu": "-cuda"}
    named = {name: one for name, one in values.items() if isinstance(one, dict)}
    return [
        {"name": _dashed(name), "image": f"{one['repository']}:{one['tag'] or version + suffixes.get(name, '')}"}
        for name, one in named.items()
    ]


def links(home: str) -> list[dict[str, str]]:
    """Return the links to a repository whose server has GitHub's addresses."""
    address = home.rstrip("/")
    return [
        {"name": "Documentation", "url": f"{address}/tree/HEAD/docs"},
        {"name": "support", "url": f"{address}/issues"},
    ]


def changes(version: str, changelog: str) -> Iterator[dict[str, str]]:
    """Yield the entries of a version's section in the changelog; none before its release."""
    flags = re.DOTALL | re.MULTILINE
    sections = re.findall(rf"^## {re.escape(version)} \(.*?\n(.*?)(?=^## |\Z)", changelog, flags)
    for heading, entries in re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", "".join(sections), flags):
        if heading.lower() in _KINDS:
            for entry in re.findall(r"^- (.*?)(?=^- |\Z)", entries, flags):
                yield {"kind": heading.lower(), "description": " ".join(entry.split())}


def _definition() -> dict[str, Any]:
    """Return the card of the custom resource."""
    manifest = crd.manifest()
    (version,) = manifest["spec"]["versions"]
    return {
        "kind": manifest["spec"]["names"]["kind"],
        "version": version["name"],
        "name": manifest["metadata"]["name"],
        "displayName": "Speech pipeline",
        "description": version["schema"]["openAPIV3Schema"]["description"],
    }


def _icon() -> str:
    """Return the icon as a URL that contains it."""
    return "data:image/svg+xml;base64," + base64.b64encode(_ICON.read_bytes()).decode()


def _dashed(name: str) -> str:
    return re.sub("([A-Z])", lambda upper: f"-{upper[1].lower()}", name)


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines line by line, and indents the items of lists."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, False)  # noqa: FBT003 - pyyaml's own signature


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _text)
