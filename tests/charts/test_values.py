"""Values that are wrong are refused before anything is sent to a cluster, with their path."""

import json

import pytest

from charts.helm import Helm, HelmError
from speechlocal import paths
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

PIPELINE = ("--set", "pipeline.enabled=true", "--set", "pipeline.spec.ollama.models[0].name=llama3.2")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("replicas=3", "at '': additional properties 'replicas' not allowed"),
        ("operator.replica=3", "at '/operator': additional properties 'replica' not allowed"),
        ("operator.replicas=two", "at '/operator/replicas': got string, want integer"),
        ("operator.replicas=-1", "at '/operator/replicas': minimum: got -1, want 0"),
        ("operator.logLevel=verbose", "at '/operator/logLevel': value must be one of 'debug', 'info', 'warning', 'err"),
        ("operator.lease.duration=0", "at '/operator/lease/duration': exclusiveMinimum: got 0, want 0"),
        ("images.pullPolicy=Sometimes", "at '/images/pullPolicy': value must be one of 'Always', 'IfNotPresent'"),
        ("images.operator.digest=latest", "at '/images/operator/digest': 'latest' does not match pattern"),
        ("images.pullSecrets[0].name=login", "at '/images/pullSecrets/0': got object, want string"),
        ("watchNamespace=Calls", "at '/watchNamespace': 'Calls' does not match pattern"),
        ("watchNamespaces={calls,Night}", "at '/watchNamespaces/1': 'Night' does not match pattern"),
        ("watchNamespaces=calls", "at '/watchNamespaces': got string, want array"),
        ("watchNamespaces={calls},watchNamespace=night", "watchNamespace is deprecated and cannot be combined"),
        ("fullnameOverride=Speech", "at '/fullnameOverride': 'Speech' does not match pattern"),
        ("test.url=speech.example.com", "at '/test/url': 'speech.example.com' does not match pattern"),
    ],
)
def test_wrong_value(helm: Helm, wrong: str, said: str) -> None:
    with pytest.raises(HelmError) as refused:
        helm.template("--set", wrong)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("pipeline.name=Calls", "at '/pipeline/name': 'Calls' does not match pattern"),
        ("pipeline.spec.wisper.model=small", "at '/pipeline/spec': additional properties 'wisper' not allowed"),
        ("pipeline.spec.bridge.replicas=-1", "at '/pipeline/spec/bridge/replicas': minimum: got -1, want 0"),
        ("pipeline.spec.whisper.gpu.count=one", "at '/pipeline/spec/whisper/gpu/count': got string, want integer"),
        ("pipeline.spec.whisper.engine=whisperx", "at '/pipeline/spec/whisper/engine': value must be one of"),
        ("pipeline.spec.ollama.models[0].size=1", "at '/pipeline/spec/ollama/models/0': additional properties 'size'"),
    ],
)
def test_wrong_pipeline(helm: Helm, wrong: str, said: str) -> None:
    with pytest.raises(HelmError) as refused:
        helm.template(*PIPELINE, "--set", wrong)

    assert said in str(refused.value)


def test_pipeline_needs_a_spec(helm: Helm) -> None:
    with pytest.raises(HelmError, match="at '/pipeline/spec': missing property 'ollama'"):
        helm.template("--set", "pipeline.enabled=true")


def test_parent_chart_may_hand_down_its_globals(helm: Helm) -> None:
    assert helm.objects("--set", "global.clusterName=prod")


def test_the_operator_accepts_every_class_that_the_chart_does() -> None:
    schema = json.loads((paths.CHART / "values.schema.json").read_text())
    setting = Settings.model_json_schema()["properties"]["operator_class"]

    given = schema["properties"]["operator"]["properties"]["class"]

    assert {key: given[key] for key in ("pattern", "maxLength")} == {
        key: setting[key] for key in ("pattern", "maxLength")
    }
