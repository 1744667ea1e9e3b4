"""Commands of the documentation that need this repository alone, run as a reader types them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from documentation import Block, blocks
from documented_commands import Reader
from fakes import model_hub
from fakes.model_hub import COMMIT, FILES, NAME, ModelHub
from speechoperator.simulation.arrivals import read_trace

pytestmark = pytest.mark.unit

TOOLS = ("helm", "kubectl")
TRACES = "docs/reference/scaling-traces.md"
PRINTED = {
    "docs/explanation/scaling.md": r"speechoperator +\d",
    "docs/how-to/closed-networks.md": r"large-v3|faster-whisper-tiny",
    "docs/how-to/openshift.md": r"(?s)apiVersion: monitoring\.rhobs/v1\nkind: PodMonitor.*kind: PrometheusRule",
    "docs/how-to/share-weights.md": "faster-whisper-tiny",
    "docs/how-to/use-kubectl-speech.md": "kubectl-speech",
    "docs/runbooks/README.md": r"\A\Z",
}
"""What the commands of a page print, as a regular expression."""


@pytest.fixture(scope="module")
def hub() -> Iterator[ModelHub]:
    with model_hub.running() as running:
        yield running


@pytest.fixture
def reader(hub: ModelHub, tmp_path: Path, request: pytest.FixtureRequest) -> Reader:
    """With what the pages take for granted: access to a hub, a USB stick, a file of recorded requests."""
    block: Block = request.getfixturevalue("block")
    (requests,) = [block.text for block in blocks() if block.page == TRACES and block.language == "csv"]
    return Reader(
        tmp_path,
        [name for name in TOOLS if name in block.commands],
        replaced={
            "fetch large-v3 ": "fetch tiny ",  # the only model of the hub
            "https://files.example.com/large-v3/": f"{hub.url}/{NAME}/resolve/{COMMIT}/",
            "/mnt/usb/": f"{tmp_path}/checkout/usb/",
            "/srv/": "srv/",
            "oc apply -f -": "cat",
        },
        saved={"requests.csv": requests, **{f"usb/large-v3/{name}": content for name, content in FILES.items()}},
        variables={"HF_ENDPOINT": hub.url},
    )


@pytest.mark.parametrize("block", [one for one in blocks(tier="unit") if one.is_typed], ids=lambda block: block.place)
def test_commands_do_what_the_page_says(block: Block, reader: Reader) -> None:
    printed = reader.types(block)

    assert re.search(PRINTED[block.page], printed, re.MULTILINE), printed


def test_every_page_with_expected_output_has_commands() -> None:
    assert set(PRINTED) == {block.page for block in blocks(tier="unit")}


@pytest.mark.parametrize(
    "block",
    [one for one in blocks() if one.page == TRACES and one.language == "json"],
    ids=lambda block: block.place,
)
def test_a_line_of_a_trace_can_be_replayed(block: Block, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text(block.text)

    assert read_trace(trace)
