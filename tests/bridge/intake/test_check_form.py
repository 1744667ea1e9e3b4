"""A form is rejected by its headers, before its body is read."""

from __future__ import annotations

from email.headerregistry import HeaderRegistry
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import make_mocked_request

from speechbridge.errors import Problem
from speechbridge.intake.form import FormLimits, check_form
from speechbridge.settings import MIB

if TYPE_CHECKING:
    from aiohttp import web

pytestmark = pytest.mark.unit

LIMITS = FormLimits(max_bytes=1 * MIB, max_field_bytes=1000)


def request(content_type: str, length: int = 1000) -> web.Request:
    headers = {"Content-Type": content_type, "Content-Length": str(length)}
    return make_mocked_request("POST", "/process", headers=headers)


def check(content_type: str, length: int = 1000) -> None:
    check_form(request(content_type, length).headers, LIMITS)


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "Multipart/Form-Data ;boundary=x"])
def test_a_form_is_recognised_by_its_media_type(content_type: str) -> None:
    check(content_type)


@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/mixed; boundary=x", "", "text/plain; a=multipart/form-data"]
)
def test_a_body_that_is_not_a_form_is_rejected(content_type: str) -> None:
    with pytest.raises(Problem) as raised:
        check(content_type)

    assert raised.value.code == "unsupported_media_type"


def test_a_form_that_declares_too_large_a_size_is_rejected() -> None:
    with pytest.raises(Problem) as raised:
        check("multipart/form-data; boundary=x", length=10 * MIB)

    assert raised.value.code == "upload_too_large"


def test_a_new_boundary_makes_no_new_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """`request.content_type` creates three per header value in the email package, and collections are rare."""
    made: list[str] = []
    make = HeaderRegistry.__getitem__
    monkeypatch.setattr(HeaderRegistry, "__getitem__", lambda self, name: made.append(name) or make(self, name))

    for number in range(3):
        check(f"multipart/form-data; boundary={number}")

    assert made == []
