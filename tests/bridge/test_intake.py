"""What is looked at before a body is read."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from aiohttp.test_utils import make_mocked_request

from speechbridge.errors import Problem
from speechbridge.routes.intake import check_form
from speechbridge.settings import MIB
from speechbridge.upload import UploadRules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from speechbridge.service import Service

pytestmark = pytest.mark.unit

RULES = UploadRules(
    max_bytes=1 * MIB, max_field_bytes=1000, start_bytes=1000, min_stream_rate=1000, lag=0.5, retry_buffer=1000
)
SERVICE = cast("Service", SimpleNamespace(upload_rules=RULES))


def request(content_type: str, length: int = 1000) -> web.Request:
    headers = {"Content-Type": content_type, "Content-Length": str(length)}
    return make_mocked_request("POST", "/process", headers=headers)


def check(content_type: str, length: int = 1000) -> None:
    check_form(request(content_type, length), SERVICE)


@pytest.fixture
def rare_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def classes() -> int:
    return sum(isinstance(found, type) for found in gc.get_objects())


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "Multipart/Form-Data ;boundary=x"])
def test_a_form_is_told_by_its_media_type(content_type: str) -> None:
    check(content_type)


@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/mixed; boundary=x", "", "text/plain; a=multipart/form-data"]
)
def test_what_is_no_form_is_refused(content_type: str) -> None:
    with pytest.raises(Problem) as raised:
        check(content_type)

    assert raised.value.code == "unsupported_media_type"


def test_a_form_that_says_it_is_too_large_is_refused() -> None:
    with pytest.raises(Problem) as raised:
        check("multipart/form-data; boundary=x", length=10 * MIB)

    assert raised.value.code == "upload_too_large"


@pytest.mark.usefixtures("rare_collections")
def test_boundaries_leave_nothing_to_be_collected() -> None:
    """Each form has one of its own, and collections are rare: what is left behind for each would fill the memory."""
    requests = [request(f"multipart/form-data; boundary={number}") for number in range(50)]
    check_form(requests.pop(), SERVICE)
    before = classes()

    for one in requests:
        check_form(one, SERVICE)

    assert classes() - before < len(requests)  # other parts of this process may make one
