"""The bridge and the Whisper server trace requests by the same standard variables; without them, at no cost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from contract.services.programs import BRIDGE, OPERATOR, PROGRAMS, WHISPER
from repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from contract.services.programs import Program

pytestmark = pytest.mark.unit

both = pytest.mark.parametrize("service", [BRIDGE, WHISPER], ids=lambda program: program.package, indirect=True)
RECEIVER = "http://collector.example.com:4318"
TESTS = ROOT / "tests"
NOWHERE = "http://127.0.0.1:1"
OFF = [
    {},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": RECEIVER, "OTEL_SDK_DISABLED": "true"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": RECEIVER, "OTEL_TRACES_EXPORTER": "none"},
    {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": RECEIVER},
]


def receiver(service: Program, monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    url: str = service.module("telemetry.tracing").receiver(service.settings())
    return url


@both
@pytest.mark.parametrize("variables", OFF, ids=lambda variables: ",".join(variables) or "none")
def test_it_is_off_unless_a_receiver_is_named(
    service: Program, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    assert receiver(service, monkeypatch, **variables) == ""


@both
@pytest.mark.parametrize("base", [RECEIVER, f"{RECEIVER}/"])
def test_traces_go_to_their_path_below_the_endpoint(
    service: Program, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    assert receiver(service, monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=base) == f"{RECEIVER}/v1/traces"


@both
def test_the_endpoint_for_traces_is_used_as_it_is(service: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "https://traces.example.com/ingest"

    found = receiver(service, monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=RECEIVER, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=own)

    assert found == own


@both
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:431800"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://:4318/v1/traces"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_SDK_DISABLED", "perhaps"),
    ],
)
def test_what_it_cannot_do_is_rejected_at_startup(
    service: Program, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match=name.lower()):
        service.settings()


@both
@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@collector:4318",
        "user:s3cret@collector:4318",
        "http:/user:s3cret@collector:4318",
        "http://user:s3cret@collector:many",
        "http://user:s3cret@[collector",
    ],
)
def test_a_password_in_a_url_is_rejected_and_not_repeated(
    service: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, url: str
) -> None:
    monkeypatch.setenv(name, url)

    assert service.module("__main__").main([]) == 2

    said = capsys.readouterr().err
    assert said.startswith(f"{name}: Value error, must not contain a user name or password; use ")
    assert "s3cret" not in said


@both
@pytest.mark.parametrize(
    "name",
    [
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_TRACES_EXPORTER",
        "OTEL_SDK_DISABLED",
    ],
)
def test_an_empty_variable_is_as_none(service: Program, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    field = name.lower()
    default = getattr(service.settings(), field)

    monkeypatch.setenv(name, "")

    assert getattr(service.settings(), field) == default


@pytest.mark.parametrize("service", PROGRAMS, ids=lambda program: program.package, indirect=True)
def test_without_a_receiver_nothing_of_opentelemetry_is_imported(service: Program) -> None:
    """Not even by the modules that a running service has imported."""
    modules = ["app", "__main__"] if service is OPERATOR else ["app", "__main__", "telemetry.tracing"]
    loading = "".join(f"import {service.package}.{name}\n" for name in modules)
    starting = {
        BRIDGE.package: "import asyncio\nfrom speechbridge.settings import Settings\n"
        "from speechbridge.telemetry import tracing\nassert tracing.start(Settings()) is None\n"
        "async def make(): speechbridge.app.create_app(Settings())\nasyncio.run(make())\n",
        WHISPER.package: "from speechwhisper.settings import Settings\nimport speechwhisper.recognition.loading\n"
        "assert speechwhisper.telemetry.tracing.start(Settings()) is None\n",
        OPERATOR.package: "",
    }[service.package]
    asking = "import sys, json\nprint(json.dumps([name for name in sys.modules if name.startswith('opentelemetry')]))"

    done = subprocess.run(
        [sys.executable, "-c", loading + starting + asking], capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) == []


@both
def test_a_running_service_says_where_traces_go_but_no_token_in_the_url(service: Program, tmp_path: Path) -> None:
    url = f"{NOWHERE}/s3cret/v1/traces?key=s3cret"
    with service.serving(tmp_path, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY="1") as process:
        assert process.said("traces are sent")["to"] == NOWHERE
        assert process.ask("/nowhere").status == 404
        lost = process.said_by("opentelemetry.exporter.otlp.proto.http.trace_exporter")

    assert "with url: /..." in lost["message"]
    assert "s3cret" not in json.dumps(process.lines)


@both
def test_without_opentelemetry_it_says_what_to_install_and_serves(service: Program, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "opentelemetry"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('no', name='opentelemetry')\n")
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE, "PYTHONPATH": f"{hidden.parent}:{TESTS}"}

    with service.serving(tmp_path, **variables) as process:
        process.said("listening")
        warnings = [line for line in process.lines if line["level"] == "warning"]
        assert process.ask("/livez").status == 200

    assert [line["message"] for line in warnings] == [
        "traces are not sent: OpenTelemetry is not installed; install speechpipeline[tracing]"
    ]


@both
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "4096",
            "max_export_batch_size must be less than or equal to max_queue_size",
        ),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a non-negative integer"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "max_queue_size must be a positive integer"),
    ],
)
def test_a_variable_that_opentelemetry_rejects_is_a_warning_and_nothing_is_traced(
    service: Program,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    value: str,
    reason: str,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", NOWHERE)
    monkeypatch.setenv(name, value)

    assert service.module("telemetry.tracing").start(service.settings()) is None

    (warning,) = caplog.records
    assert warning.getMessage() == "traces are not sent: OpenTelemetry rejects a variable that begins with OTEL_"
    assert vars(warning)["fields"]["reason"].startswith(reason)


@both
def test_a_service_whose_traces_are_rejected_serves(service: Program, tmp_path: Path) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": NOWHERE, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4096"}
    with service.serving(tmp_path, **variables) as process:
        assert process.ask("/nowhere").status == 404


@both
def test_a_receiver_that_is_gone_does_not_keep_it_from_ending(service: Program, tmp_path: Path) -> None:
    with service.serving(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=NOWHERE) as process:
        process.said("listening")
        assert process.ask("/nowhere").status == 404

        assert process.stop(signal.SIGTERM) == 0
