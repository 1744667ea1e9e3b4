"""Errors of the API server, classified."""

from typing import Any

import pytest

from speechoperator.kube.errors import Request, api_error

pytestmark = pytest.mark.unit


UNREACHABLE = 'failed to call webhook: Post "https://v.d.svc:443/?timeout=10s": connect: connection refused'


def status(reason: str = "", message: str = "", **details: Any) -> dict[str, Any]:
    return {"kind": "Status", "reason": reason, "message": message, "details": details}


@pytest.mark.parametrize(
    ("code", "body", "named", "all_concerned"),
    [
        (401, status("Unauthorized"), "unauthorized", True),
        (403, status("Forbidden", "exceeded quota: q, requested: pods=1"), "denied", False),
        (403, status("Forbidden", causes=[{"reason": "NamespaceTerminating"}]), "namespace_terminating", False),
        (404, status("NotFound", 'namespaces "team" not found'), "namespace_terminating", False),
        (404, status("NotFound", 'pods "p" not found'), "not_found", False),
        (409, status("Conflict"), "conflict", False),
        (422, status("Invalid", "spec.selector: field is immutable"), "invalid", False),
        (429, status("TooManyRequests", retryAfterSeconds=3), "throttled", True),
        (500, "etcdserver: leader changed", "server_error", True),
        (
            500,
            status(message="failed to create typed patch object (team/p): .spec.x: field not declared in schema"),
            "rejected",
            False,
        ),
        (
            500,
            status("InternalError", f'Internal error occurred: failed calling webhook "v.io": {UNREACHABLE}'),
            "webhook",
            False,
        ),
        (500, status("", 'admission webhook "v.io" denied the request: no database'), "webhook", False),
        (429, status("", 'admission webhook "v.io" denied the request: later'), "webhook", False),
        (403, status("Forbidden", 'admission webhook "v.io" denied the request: no'), "denied", False),
        (500, status("", f"conversion webhook for g.io/v1, Kind=HTTPRoute failed: {UNREACHABLE}"), "webhook", False),
        (503, status("ServiceUnavailable"), "server_error", True),
        (400, status("BadRequest", 'unknown field "spec.x"'), "rejected", False),
    ],
)
def test_refusals_are_told_apart(code: int, body: Any, named: str, *, all_concerned: bool) -> None:
    error = api_error(Request("patch", "pods", "team", "p"), code, body)
    assert (error.code, error.affects_all) == (named, all_concerned)


def test_the_wait_that_a_busy_server_asks_for_is_known() -> None:
    request = Request("patch", "pods")
    assert api_error(request, 429, status(retryAfterSeconds=3)).retry_after == 3.0
    assert api_error(request, 429, status(), "7").retry_after == 7.0
    assert api_error(request, 429, status(), "Mon, 23 Nov 2026 12:00:00 GMT").retry_after is None
