"""Each service listens, answers probes and metrics, rejects what it does not serve, and ends, in the same way."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from contract.services.programs import Process, Program

pytestmark = pytest.mark.unit

IPV6 = socket.has_dualstack_ipv6()
ANY_IPV4 = "0.0.0.0"  # noqa: S104 - expected of the service, not listened on here


@pytest.mark.parametrize("address", ["127.0.0.1", *["::1"] * IPV6])
def test_it_answers_on_ipv4_and_ipv6(running: Process, address: str) -> None:
    answer = running.ask("/livez", host=address)

    assert (answer.status, answer.body) == (200, "OK")


def test_it_listens_on_ipv4_alone_on_a_machine_without_ipv6(service: Program, tmp_path: Path) -> None:
    with service.serving(tmp_path, "--without-ipv6") as process:
        assert process.said("listening")["host"] == ANY_IPV4
        assert process.ask("/livez").status == 200


def test_sigterm_ends_it_with_status_0(service: Program, tmp_path: Path) -> None:
    with service.serving(tmp_path) as process:
        process.said("listening")

        assert process.stop(signal.SIGTERM) == 0

        assert [line["message"] for line in process.lines if line["message"] in {"stopping", "stopped"}] == [
            "stopping",
            "stopped",
        ]
        assert process.lines[-1]["message"] == "stopped"


def test_readiness_is_a_status_and_a_document(running: Process) -> None:
    answer = running.ask("/readyz")

    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert (answer.status, answer.json["status"]) in {(200, "ready"), (503, "not ready")}


def test_metrics_are_in_the_text_format_of_prometheus(running: Process) -> None:
    answer = running.ask("/metrics")

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")


def test_a_probe_has_no_body_for_head(running: Process) -> None:
    answer = running.ask("/livez", "HEAD")

    assert (answer.status, answer.body) == (200, "")


@pytest.mark.parametrize("path", ["/nowhere", "/livez/", "/metrics/x"])
def test_an_unknown_path_is_a_problem_document(running: Process, path: str) -> None:
    answer = running.ask(path)

    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.status == answer.json["status"] == 404
    assert (answer.json["type"], answer.json["title"], answer.json["code"]) == ("about:blank", "Not found", "not_found")
    assert answer.json["detail"].endswith(".")


def test_a_wrong_method_is_a_problem_document_with_the_allowed_ones(running: Process) -> None:
    answer = running.ask("/livez", "POST")

    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.status == answer.json["status"] == 405
    assert (answer.json["title"], answer.json["code"]) == ("Method not allowed", "method_not_allowed")
    assert {one.strip() for one in answer.headers["Allow"].split(",")} == {"GET", "HEAD"}
    assert "not POST" in answer.json["detail"]


def test_a_port_in_use_is_logged_and_the_exit_status_is_1(service: Program, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with service.serving(tmp_path, SERVER_HOST="127.0.0.1", SERVER_PORT=port) as process:
            line = process.said("cannot listen")

            assert (line["level"], line["host"], str(line["port"])) == ("error", "127.0.0.1", port)
            assert "in use" in line["reason"]
            assert "exception" not in line
            assert process.ended() == 1
