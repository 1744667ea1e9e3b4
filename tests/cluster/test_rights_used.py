"""The chart grants what the operator uses, and nothing else: all requests of the tier against the rendered roles."""

from pathlib import Path

import pytest

from cluster.chart import granted
from cluster.operator_process import Stage

pytestmark = pytest.mark.cluster

FOLDER = Path(__file__).parent


@pytest.fixture
def whole_tier(request: pytest.FixtureRequest) -> None:
    """Only all tests together use all rights."""
    run = {item.path for item in request.session.items}
    if missing := {path.name for path in FOLDER.glob("test_*.py")} - {path.name for path in run}:
        pytest.skip(f"only with the whole tier; not run: {', '.join(sorted(missing))}")


@pytest.mark.usefixtures("whole_tier")
def test_every_right_is_used_and_none_is_missing(stage: Stage) -> None:
    used = stage.plane.audit.rights_used(stage.identity.user)
    given = granted(stage.objects, stage.identity.user.rpartition(":")[2])
    assert sorted(given - used) == [], "granted, and no test has used it"
    assert sorted(used - given) == [], "used, and granted by somebody else"
