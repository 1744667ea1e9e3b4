"""The chart upgraded while users go on asking, and a pipeline of the release that comes and goes with it."""

import pytest

from cluster.api import Api, Object
from e2e.draining import drain_node
from e2e.service import MODEL, REGISTRY, Deployed, Service, install, wait_ready
from e2e.traffic import traffic
from speechlocal.cluster import platform

pytestmark = pytest.mark.e2e

DEFINITION = "speechpipelines.speechpipeline.dev"
SHARED = "shared-whisper"
OPERATOR = f"{platform.RELEASE}-operator"


async def test_upgrade_brings_the_definition_up_to_date_and_loses_no_request(speech: Service) -> None:
    api = speech.api
    current = await api.get("CustomResourceDefinition", None, DEFINITION)
    version = dict(current["spec"]["versions"][0])
    fewer = version | {"additionalPrinterColumns": version["additionalPrinterColumns"][:1]}
    pods = await names_of_pods(speech)
    async with traffic(speech.cluster.ingress, speech.host) as users:
        await users.more()
        await api.patch("CustomResourceDefinition", None, DEFINITION, {"spec": {"versions": [fewer]}})
        install(speech.cluster, "--set", "operator.logLevel=debug", "--set", "operator.workers=4")
        await users.more()

    assert users.lost == []
    upgraded = await api.get("CustomResourceDefinition", None, DEFINITION)
    assert upgraded["spec"]["versions"] == current["spec"]["versions"]
    (container,) = (await api.get("Deployment", platform.NAMESPACE, OPERATOR))["spec"]["template"]["spec"]["containers"]
    assert {"name": "LOG_LEVEL", "value": "debug"} in container["env"]
    assert await names_of_pods(speech) == pods  # a new operator is no reason to restart what it looks after


async def names_of_pods(speech: Service) -> set[str]:
    return {pod["metadata"]["name"] for part in ("whisper", "ollama", "bridge") for pod in await speech.pods(part)}


async def test_pipeline_of_the_release_keeps_its_models_when_it_goes(
    speech: Service, cluster_api: Api, deployed: Deployed
) -> None:
    """It uses the shared pipeline's Whisper: there are only two cores."""
    values = {
        "pipeline.enabled": "true",
        "pipeline.name": "calls",
        "pipeline.spec.whisper.url": f"http://{speech.name}-whisper.{speech.namespace}.svc:9000",
        "pipeline.spec.whisper.model": "tiny.en",
        "pipeline.spec.ollama.models[0].name": MODEL,
        "pipeline.spec.ollama.models[0].source": f"{REGISTRY}:135m",
        "pipeline.spec.ollama.models[0].insecure": "true",
        "pipeline.spec.ollama.cache.size": "1Gi",
        "pipeline.spec.ollama.resources.requests.cpu": "50m",
        "pipeline.spec.bridge.replicas": "1",
    }
    await cluster_api.apply(shared_whisper(speech), manager="e2e")
    install(deployed.cluster, *(text for name, value in values.items() for text in ("--set", f"{name}={value}")))
    wait_ready(deployed.cluster, platform.NAMESPACE, "calls")

    said = deployed.cluster.helm("test", platform.RELEASE, "--namespace", platform.NAMESPACE, "--logs")
    assert "similar to the spoken words" in said

    install(deployed.cluster)
    await cluster_api.until_gone("SpeechPipeline", platform.NAMESPACE, "calls")
    await cluster_api.until_gone("Deployment", platform.NAMESPACE, "calls-ollama", within_s=120)
    claim: Object = await cluster_api.get("PersistentVolumeClaim", platform.NAMESPACE, "calls-ollama")
    assert "deletionTimestamp" not in claim["metadata"]
    await cluster_api.delete("PersistentVolumeClaim", platform.NAMESPACE, "calls-ollama")
    await cluster_api.delete("NetworkPolicy", speech.namespace, SHARED)


def shared_whisper(speech: Service) -> Object:
    """Admits the bridges of another namespace to the pipeline's Whisper, as docs/how-to/restrict-clients.md says."""
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": platform.NAMESPACE}}
    bridges = {"matchLabels": {"app.kubernetes.io/component": "bridge"}}
    whisper = {"app.kubernetes.io/instance": speech.name, "app.kubernetes.io/component": "whisper"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": SHARED, "namespace": speech.namespace},
        "spec": {
            "podSelector": {"matchLabels": whisper},
            "ingress": [
                {"from": [{"namespaceSelector": namespace, "podSelector": bridges}], "ports": [{"port": 9000}]},
            ],
        },
    }


async def test_service_goes_on_without_the_operator(speech: Service) -> None:
    """Also on pods that start meanwhile; requests wait for the only pod of Whisper, and for that of Ollama."""
    async with traffic(speech.cluster.ingress, speech.host) as users:
        speech.cluster.helm("uninstall", platform.RELEASE, "--namespace", platform.NAMESPACE, "--wait")
        await users.more()
        await drain_node(speech)
        await users.more()
        install(speech.cluster)
        await speech.settle()

    assert users.lost == []
