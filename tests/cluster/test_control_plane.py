"""The control plane that the tests of this tier stand on."""

import pytest

from cluster.api import Api, ApiError
from cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster


async def test_rbac_is_on_and_every_request_is_written_down(control_plane: ControlPlane, namespace: str) -> None:
    somebody = await control_plane.identity(
        namespace, "reader", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    )
    mark = control_plane.audit.mark()
    async with Api(control_plane.access(somebody)) as api:
        await api.list("Pod", namespace)
        with pytest.raises(ApiError, match='cannot list resource "services"'):
            await api.list("Service", namespace)
    calls = control_plane.audit.calls(somebody.user, since=mark)
    assert [(call.right, call.code) for call in calls] == [
        (("", "pods", "list"), 200),
        (("", "services", "list"), 403),
    ]
    assert control_plane.audit.rights_used(somebody.user) == {("", "pods", "list")}
    assert not control_plane.audit.writes(somebody.user)
