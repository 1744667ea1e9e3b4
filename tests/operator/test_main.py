"""`python -m speechoperator`: its output and exit codes."""

from pathlib import Path

import pytest
import yaml

from speechoperator.__main__ import main
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(name.upper() in shown for name in Settings.model_fields)


def test_the_crd_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crd"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == "CustomResourceDefinition"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WORKERS", "0", "WORKERS: "),
        (
            "LEASE_RENEW_DEADLINE",
            "20",
            "LEASE_RETRY_PERIOD must be less than LEASE_RENEW_DEADLINE, and that less than LEASE_DURATION",
        ),
    ],
)
def test_an_invalid_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["run"]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_cluster_is_an_error_with_a_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    assert main(["crd", "--apply"]) == 1
    assert "not in a cluster, and no usable kubeconfig" in capsys.readouterr().err
