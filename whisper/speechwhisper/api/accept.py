"""Which media types a client accepts (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

_REJECTED = re.compile(r"q=0(\.0*)?")


def names(request: web.Request, media_type: str) -> bool:
    """Return whether the Accept header names a media type, other than to reject it (`q=0`).

    Wildcards do not name it, and other parameters, such as its version, are not looked at.
    """
    accepted = request.headers.get("Accept", "").lower()
    if media_type not in accepted:
        return False
    for media_range in accepted.split(","):
        found, *parameters = (part.replace(" ", "").replace("\t", "") for part in media_range.split(";"))
        if found == media_type and not any(_REJECTED.fullmatch(parameter) for parameter in parameters):
            return True
    return False
