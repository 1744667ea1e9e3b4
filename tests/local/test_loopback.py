"""The commands that are printed work where the resolver knows no names below `localhost`."""

from __future__ import annotations

import pytest

from speechlocal import loopback

pytestmark = pytest.mark.unit


def test_curl_needs_no_address_of_a_name_that_resolves() -> None:
    assert loopback.curl("speech.localhost", 8088, known=lambda _: True) == "curl"


def test_curl_is_given_the_address_of_a_name_that_does_not() -> None:
    command = loopback.curl("speech.localhost", 8088, known=lambda _: False)

    assert command == "curl --resolve speech.localhost:8088:127.0.0.1"


def test_the_resolver_of_this_machine_knows_localhost_and_not_what_is_invalid() -> None:
    assert loopback.resolves("localhost")
    assert not loopback.resolves("name.invalid")
