"""A hub to fetch from, and the handler of SIGTERM as it was: the command sets its own."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from fakes import model_hub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.model_hub import ModelHub


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def hub() -> Iterator[ModelHub]:
    with model_hub.running() as running:
        yield running
