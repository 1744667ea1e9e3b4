"""What is remembered of writes, and for how long."""

import pytest

from speechoperator.apply.conflicts import Conflicts, Write
from speechoperator.kube.objects import Key, Ref

pytestmark = pytest.mark.unit

KEY = Key("team", "p")
SERVICE = Ref("Service", "p-bridge")


def written(conflicts: Conflicts, at: float, before: Write | None = None) -> Write:
    return conflicts.wrote(KEY, SERVICE, "hash", at, before=before, reason="missing", writer="", kept=True)


def test_a_write_is_remembered_as_long_as_a_change_undoes_it() -> None:
    conflicts = Conflicts()
    write = written(conflicts, 1000.0)
    conflicts.expire(KEY, 1059.0)
    assert conflicts.recent(KEY, SERVICE, "hash", 1059.0) == write

    conflicts.expire(KEY, 1060.0)
    assert conflicts.latest(KEY, SERVICE, 1001.0) is None, "it is gone, even for a clock that is set back"


def test_a_write_that_was_undone_is_remembered_for_its_delay_too() -> None:
    conflicts = Conflicts()
    write = written(conflicts, 1000.0, before=written(conflicts, 999.0))
    assert write.until == 1001.0
    conflicts.expire(KEY, 1060.5)
    assert conflicts.recent(KEY, SERVICE, "hash", 1060.5) == write
