"""The services alone: the bridge without upstreams, Whisper without a model, the operator without a cluster.

They share no code, so the same cases run against each of them.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from contract.services.programs import PROGRAMS, Process, Program

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.package, scope="session")
def service(request: pytest.FixtureRequest) -> Program:
    program: Program = request.param
    return program


@pytest.fixture(scope="session")
def running(service: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The service as a process with its default settings, except the port."""
    with ExitStack() as stack:
        yield stack.enter_context(service.serving(tmp_path_factory.mktemp(service.package)))
