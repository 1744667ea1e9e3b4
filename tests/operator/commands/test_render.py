"""`render FILE`: manifests without a cluster."""

from pathlib import Path

import pytest
import yaml

from speechoperator.__main__ import main

pytestmark = pytest.mark.unit

PIPELINE = """
apiVersion: speechpipeline.dev/v1alpha1
kind: SpeechPipeline
metadata: {name: support}
spec: {ollama: {models: [{name: llama3}]}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "pipeline.yaml"
    found.write_text(PIPELINE)
    return found


def test_manifests_are_printed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(f"{PIPELINE}---\nkind: ConfigMap\n---\n")
    assert main(["render", str(file), "--namespace", "team"]) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert {thing["metadata"]["namespace"] for thing in printed} == {"team"}
    assert {"Deployment", "Service", "ConfigMap"} <= {thing["kind"] for thing in printed}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: ConfigMap", "no SpeechPipeline in this file"),
        ("a: [", "not valid YAML"),
        (PIPELINE.replace("llama3", ""), "support: spec.ollama.models"),
        (PIPELINE.replace("spec: {", "spec: {olama: {}, "), "support: spec.olama: "),
    ],
)
def test_an_invalid_file_is_an_error_with_a_message(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    file.write_text(text)
    assert main(["render", str(file)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert str(file) in shown.err
    assert message in shown.err


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: No such file" in capsys.readouterr().err
