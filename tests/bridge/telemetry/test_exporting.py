"""What the log tells of the receiver of traces: nothing that may be a secret."""

import pytest

from speechbridge.telemetry.exporting import exporting

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"])
def test_a_malformed_header_is_reported_without_its_value(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str
) -> None:
    monkeypatch.setenv(variable, "x-api-key: kumquat")

    exporting("http://127.0.0.1:4318/v1/traces", "speechbridge").shutdown()

    assert "Header format invalid" in caplog.text
    assert "kumquat" not in caplog.text
