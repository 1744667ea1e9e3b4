"""Decodes base64 as programs write it: with line ends, as a data URL, with the URL-safe alphabet, without padding."""

from __future__ import annotations

from base64 import b64decode

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_WHITESPACE = b" \t\r\n"


def decoded(text: str) -> bytes:
    """Return the bytes.

    Raises:
        ValueError: The text is not base64; of a data URL (RFC 2397), its data is not.
    """
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            message = "the data URL is not in base64"
            raise ValueError(message)
    encoded = text.encode("ascii")
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        encoded = encoded.translate(_URL_SAFE, delete=_WHITESPACE).rstrip(b"=")
    return b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
