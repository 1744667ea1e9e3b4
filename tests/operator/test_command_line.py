"""`python -m speechoperator`: what it prints, and how it ends."""

from pathlib import Path

import aiohttp
import pytest
import yaml

from speechoperator.__main__ import main
from speechoperator.settings import Settings
from speechoperator.telemetry import server
from speechoperator.telemetry.metrics import Metrics

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


def test_every_setting_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(name.upper() in shown for name in Settings.model_fields)


def test_manifests_are_printed_without_a_cluster(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(f"{PIPELINE}---\nkind: ConfigMap\n---\n")
    assert main(["render", str(file), "--namespace", "team"]) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert {thing["metadata"]["namespace"] for thing in printed} == {"team"}
    assert {"Deployment", "Service", "ConfigMap"} <= {thing["kind"] for thing in printed}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: ConfigMap", "there is no SpeechPipeline in it"),
        ("a: [", "this is no YAML"),
        (PIPELINE.replace("llama3", ""), "support: spec.ollama.models"),
        (PIPELINE.replace("spec: {", "spec: {olama: {}, "), "support: spec.olama: unknown field"),
    ],
)
def test_a_file_that_is_wrong_is_said_to_be(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file.write_text(text)
    assert main(["render", str(file)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert str(file) in told.err
    assert said in told.err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: No such file" in capsys.readouterr().err


def test_the_definition_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crd"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == "CustomResourceDefinition"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WORKERS", "0", "WORKERS: "),
        ("LEASE_RENEW", "20", "LEASE_RETRY must be less than LEASE_RENEW, and that less than LEASE_DURATION"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["run"]) == 2
    assert said in capsys.readouterr().err


def test_without_a_cluster_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    assert main(["crd", "--apply"]) == 1
    assert "not in a cluster, and no kubeconfig" in capsys.readouterr().err


async def test_health_and_metrics_are_served() -> None:
    missing = "not all is listed yet"
    async with (
        server.serving("127.0.0.1", 0, Metrics(), lambda: missing) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        assert (await http.get("/livez")).status == 200
        waiting = await http.get("/readyz")
        assert (waiting.status, await waiting.text()) == (503, "not ready: not all is listed yet\n")
        missing = ""
        assert (await http.get("/readyz")).status == 200
        assert "speechoperator_leader" in await (await http.get("/metrics")).text()
