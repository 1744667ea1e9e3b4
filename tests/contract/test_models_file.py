"""The list of models: what the operator writes into a ConfigMap, and what the bridge reads from the mounted file."""

import pytest

from cluster.pipelines import of_ollama, pipeline
from speechbridge import model_list as bridge
from speechbridge.model_list import ModelSettings
from speechoperator.api import SpeechPipeline
from speechoperator.plan.models import model_list as operator

pytestmark = pytest.mark.unit

MODELS = [
    {"name": "llama3", "keepAlive": "-1", "options": {"num_ctx": 8192, "stop": ["Caller:", "\N{SPEECH BALLOON}"]}},
    {"name": "qwen3:4b"},
]


def test_the_bridge_reads_what_the_operator_writes() -> None:
    spec = SpeechPipeline.parse(pipeline(of_ollama(models=MODELS)))

    written = operator.config_map(spec, ("qwen3:4b", "llama3"))
    (text,) = written["data"].values()
    read = bridge.parse(text.encode())

    assert read.names == operator.names(written) == ("qwen3:4b", "llama3")
    assert read.settings["llama3"] == ModelSettings(options=MODELS[0]["options"], keep_alive="-1")
    assert read.settings["qwen3:4b"] == ModelSettings()
    assert read.revision == operator.revision(written)
