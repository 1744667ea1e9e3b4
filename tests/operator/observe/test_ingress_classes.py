"""IngressClasses: one list for all pipelines."""

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from fakes.api_server import ApiServer
from speechoperator.observe.ingress_classes import IngressClasses

if TYPE_CHECKING:
    from speechoperator.kube.client import KubeClient

pytestmark = pytest.mark.unit


def ingress_class(name: str, **annotations: str) -> dict[str, Any]:
    prefixed = {f"ingressclass.kubernetes.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return {"kind": "IngressClass", "metadata": {"name": name, "namespace": "", "annotations": prefixed}}


def classes(api: ApiServer) -> IngressClasses:
    return IngressClasses(cast("KubeClient", api))


async def test_a_class_that_does_not_exist_is_missing() -> None:
    api = ApiServer()
    api.have(ingress_class("traefik"))
    found = classes(api)
    assert [await found.missing(name) for name in ("traefik", "nginx", "")] == [None, "nginx", ""]


async def test_a_default_class_is_the_one_that_is_marked_as_such() -> None:
    api = ApiServer()
    api.have(ingress_class("traefik", is_default_class="true"))
    assert await classes(api).missing("") is None


@pytest.mark.parametrize("refusal", [None, (403, "cannot list resource")])
async def test_they_are_listed_once_for_all_pipelines(refusal: tuple[int, str] | None) -> None:
    api = ApiServer()
    api.refuse = lambda _: refusal
    found = classes(api)
    answers = await asyncio.gather(*(found.missing("nginx") for _ in range(100)))
    assert set(answers) == {None if refusal else "nginx"}, "one that may not be listed may well exist"
    assert len(api.calls) == 1


async def test_what_is_forbidden_is_seldom_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechoperator.observe.ingress_classes._FRESH_S", 0.0)
    api = ApiServer()
    found = classes(api)
    for _ in range(2):
        await found.missing("nginx")
    assert len(api.calls) == 2
    api.refuse = lambda _: (403, "cannot list resource")
    for _ in range(3):
        await found.missing("nginx")
    assert len(api.calls) == 3
