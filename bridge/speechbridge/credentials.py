"""What the bridge presents to an upstream, and whom it trusts: header lines, and certificate authorities."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token of RFC 9110, section 5.6.2
_VALUE = re.compile(r"[\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")
_OF_THE_EXCHANGE = frozenset({"host", "content-length", "transfer-encoding", "content-type", "connection", "expect"})


@dataclass(frozen=True)
class Credentials:
    """Credentials for every request to one upstream.

    Attributes:
        headers: Header lines, each terminated by CRLF; secret.
        ca_file: A PEM file with the certificate authorities to trust; empty for those of the system.
    """

    headers: str = field(default="", repr=False)
    ca_file: str = ""


NO_CREDENTIALS = Credentials()


def header_lines(api_key: str, headers: str) -> str:
    """Return the header lines for an API key and further headers.

    Args:
        api_key: Sent as bearer token; may be empty.
        headers: `Name=value`, comma-separated, values percent-encoded, as in OTEL_EXPORTER_OTLP_HEADERS; may be empty.

    Raises:
        ValueError: The key or a header cannot be sent; the message does not quote values.
    """
    pairs = [("Authorization", f"Bearer {api_key}")] if api_key else []
    for item in filter(None, (part.strip() for part in headers.split(","))):
        name, _, value = item.partition("=")
        pairs.append((name.strip(), unquote(value.strip(), encoding="latin-1")))
    for name, value in pairs:
        if not _NAME.fullmatch(name) or name.lower() in _OF_THE_EXCHANGE:
            message = f"must be a comma-separated list of Name=value, but {name[:40]!r} cannot be set"
            raise ValueError(message)
        if not _VALUE.fullmatch(value):
            message = f"has a value for {name} that is empty, or has characters that a header cannot have"
            raise ValueError(message)
    names = [name.lower() for name, _ in pairs]
    if len(set(names)) < len(names):
        message = "sets the same header twice, or Authorization beside an API key"
        raise ValueError(message)
    return "".join(f"{name}: {value}\r\n" for name, value in pairs)
