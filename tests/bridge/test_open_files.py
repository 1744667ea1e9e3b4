"""The limit on open files, in a process of its own."""

import json
import resource
import subprocess
import sys

import pytest

from speechbridge import open_files
from speechbridge.settings import Settings

pytestmark = pytest.mark.unit

STARTS = """
import resource, sys
from speechbridge import open_files
from speechbridge.settings import Settings
from speechbridge.telemetry import logs

logs.configure("info")
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
open_files.raise_limit(Settings())
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def limit_with(soft: int, hard: int) -> tuple[int, str]:
    """The soft limit of a bridge that was started with these, and what it logged."""
    done = subprocess.run(
        [sys.executable, "-c", STARTS, str(soft), str(hard)], check=True, capture_output=True, text=True
    )
    return int(done.stdout), done.stderr


def test_a_soft_limit_is_raised_to_what_the_settings_need() -> None:
    needed = open_files.needed(Settings())

    assert limit_with(256, needed + 1) == (needed, "")


def test_a_limit_that_is_high_enough_stays() -> None:
    needed = open_files.needed(Settings())

    assert limit_with(needed + 1, needed + 2) == (needed + 1, "")


def test_a_hard_limit_that_is_too_low_is_logged() -> None:
    limit, logged = limit_with(256, 512)

    assert limit == 512
    line = json.loads(logged)
    assert (line["level"], line["limit"], line["needed"]) == ("warning", 512, open_files.needed(Settings()))


def test_a_request_may_have_both_connections_and_its_file_at_once() -> None:
    """While the prompt of a large upload is prefilled."""
    one, two = (open_files.needed(Settings(max_concurrent_requests=count)) for count in (1, 2))

    assert two - one == 3


def test_this_machine_allows_the_defaults() -> None:
    """Else the other tests would say nothing about it."""
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > open_files.needed(Settings()) + 2
