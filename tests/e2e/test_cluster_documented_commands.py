"""Commands of the documentation that need real pods: run as a reader types them, on the cluster of the e2e tests."""

from pathlib import Path

import pytest

from documented_commands import Reader, by_page, kubeconfig, type_all
from e2e.service import Service
from e2e.traffic import served
from speechlocal.children import free_port
from speechlocal.cluster import platform

pytestmark = pytest.mark.e2e

PAGES = by_page("e2e")


@pytest.fixture
def reader(speech: Service, tmp_path: Path) -> Reader:
    """The pages' pipeline is called `calls` where this one is called `speech`; ports and the release differ as well."""
    way = speech.cluster.way
    bridge, whisper = free_port(), free_port()
    return Reader(
        tmp_path,
        ["kubectl"],
        replaced={
            "speech.localhost:8088": f"speech.localhost:{way.port}",
            "service/speech-bridge 8080": f"service/speech-bridge {bridge}:8080",
            "127.0.0.1:8080": f"127.0.0.1:{bridge}",
            "deploy/calls-whisper 9000": f"deploy/speech-whisper {whisper}:9000",
            "127.0.0.1:9000": f"127.0.0.1:{whisper}",
            " calls": " speech",
            "sp/calls": "sp/speech",
            "instance=calls": "instance=speech",
            "--clients 8 --requests 100": "--clients 1 --requests 4",  # two cores
        },
        variables={
            "KUBECONFIG": kubeconfig(tmp_path, way.kubeconfig, speech.namespace),
            "NAMESPACE": speech.namespace,
            "PIPELINE": speech.name,
            "OPERATOR": platform.NAMESPACE,
        },
    )


@pytest.mark.parametrize("page", PAGES)
async def test_the_commands_of_a_page_work(
    page: str, speech: Service, reader: Reader, subtests: pytest.Subtests
) -> None:
    await speech.settle()
    await served(speech.cluster.ingress, speech.host)  # the log of a bridge that was just replaced has no requests

    await type_all(reader, PAGES[page], subtests)
