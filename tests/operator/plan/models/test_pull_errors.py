"""Advice on failed pulls, and when they are retried."""

import pytest

from fakes.planned_cluster import NOON
from speechoperator.plan.models.pull_errors import advice, overcome, retry_at

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 5), (1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (5000, 300)])
def test_the_delay_doubles_up_to_five_minutes(attempts: int, seconds: int) -> None:
    assert (retry_at(attempts, NOON) - NOON).total_seconds() == seconds


def test_retries_are_spread_over_a_quarter_of_the_delay() -> None:
    assert (retry_at(3, NOON, jitter=1.0) - NOON).total_seconds() == 25


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("write /cache/models/blobs/x: no space left on device", "ollama.cache.size"),
        ("http: server gave HTTP response to HTTPS client", "insecure: true"),
        ("pull model manifest: 412: The model you are attempting to pull requires a newer version of Ollama", "newer"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "trust"),
        ("dial tcp: lookup registry.ollama.ai on 10.96.0.10:53: no such host", "resolve"),
        ("dial tcp 34.36.133.15:443: i/o timeout", "reach"),
        ("the model needs 40 GB, and the volume holds 11 GB", "ollama.cache.size"),
        ("digest mismatch, file must be downloaded again: want sha256:aa, got sha256:bb", "damaged"),
        ("pull model manifest: file does not exist", "no model of this name"),
        ('model "llama3" not found', "no model of this name"),
        ('cannot copy llama3: model "llama3" not found', ""),
        ("cannot copy llama3: open /cache/models/x: no space left on device", "ollama.cache.size"),
        ("something else", ""),
    ],
)
def test_known_errors_have_advice(error: str, words: str) -> None:
    assert words in advice(error)
    assert bool(words) == bool(advice(error))


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        ("the connection was lost: reset by peer", True),
        ("max retries exceeded: unexpected EOF", True),
        ("no progress in time", True),
        ("max retries exceeded: write /cache/x: no space left on device", False),
        ("digest mismatch, file must be downloaded again", False),
        ("pull model manifest: file does not exist", False),
    ],
)
def test_bytes_show_only_that_the_connection_works_again(error: str, gone: bool) -> None:  # noqa: FBT001
    assert overcome(error) is gone
