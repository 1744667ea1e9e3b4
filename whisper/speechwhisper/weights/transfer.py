"""HTTP requests for weights: downloads that resume, redirects that keep the token secret, and errors in words.

huggingface_hub deletes a partial file when a download fails, and does not compare checksums.
"""

from __future__ import annotations

import errno
import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from speechwhisper.weights.errors import DiskFullError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from speechwhisper.weights.listing import RemoteFile

_CHUNK_BYTES = 1024 * 1024
_TIMEOUT_S = 30.0
_ATTEMPTS = 5
"""Consecutive failures without a single byte, after which a download is given up."""
_FIRST_DELAY_S = 1.0
_RANGE_NOT_SATISFIABLE, _TOO_MANY_REQUESTS = 416, 429
_CUT = (OSError, http.client.HTTPException)
"""What urllib raises while connecting and reading; HTTPError, URLError and timeouts are OSErrors."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, without the token to another host: the hub refers to presigned URLs of a CDN."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None:
            new.method = req.get_method()  # before Python 3.13, HEAD would become GET
            if urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
                new.remove_header("Authorization")
        return new


@dataclass(frozen=True, slots=True)
class Web:
    """Makes HTTP requests; proxies and certificates are those of the environment, as urllib reads them.

    Attributes:
        sleep: Waits so many seconds between attempts.
        opener: Sends the requests.
    """

    sleep: Callable[[float], None]
    opener: urllib.request.OpenerDirector = field(default_factory=lambda: urllib.request.build_opener(_Redirects))

    def open(self, url: str, headers: Mapping[str, str], method: str = "GET") -> http.client.HTTPResponse:
        """Send a request.

        Raises:
            urllib.error.HTTPError: The response is an error.
            OSError, http.client.HTTPException: There is no response.
        """
        request = urllib.request.Request(url, headers=dict(headers), method=method)  # noqa: S310 - http and https only
        response: http.client.HTTPResponse = self.opener.open(request, timeout=_TIMEOUT_S)
        return response

    def patiently(self, url: str, headers: Mapping[str, str], method: str = "GET") -> http.client.HTTPResponse:
        """Send a request, again after failures that pass.

        Raises:
            urllib.error.HTTPError: The response is an error that does not pass.
            UnreachableError: There is no response, or the server keeps failing.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.sleep(_FIRST_DELAY_S * 2 ** (attempt - 1))
            try:
                return self.open(url, headers, method)
            except _CUT as error:
                _raise_if_final(error)
                last = error
        raise UnreachableError(f"{_host(url)} {reason(last)}") from last

    def download(self, file: RemoteFile, url: str, headers: Mapping[str, str], part: Path) -> None:
        """Complete a partial file, again after each cut as long as bytes arrive.

        Raises:
            urllib.error.HTTPError: The response is an error that does not pass.
            UnreachableError: The connection was cut too often.
            DiskFullError: The volume is full.
        """
        failures = 0
        while file.size is None or _size(part) != file.size:
            before = _size(part)
            try:
                complete = self._continue(file, url, headers, part)
            except _CUT as error:
                _raise_if_final(error)
                if isinstance(error, OSError) and error.errno in NO_SPACE:
                    raise DiskFullError(f"no space left for {file.name} in {part.parent}") from error
                failures = 0 if _size(part) > before else failures + 1
                if failures >= _ATTEMPTS:
                    raise UnreachableError(f"{_host(url)} {reason(error)}") from error
                self.sleep(_FIRST_DELAY_S * 2**failures)
                continue
            if complete:
                return

    def _continue(self, file: RemoteFile, url: str, headers: Mapping[str, str], part: Path) -> bool:
        """Receive what is missing; return whether the response was complete."""
        have = _size(part)
        if file.size is not None and have > file.size:
            part.unlink()
            have = 0
        wanted = {**headers, "Accept-Encoding": "identity"}
        if have:
            wanted["Range"] = f"bytes={have}-"
            if file.etag:
                wanted["If-Range"] = file.etag
        try:
            response = self.open(url, wanted)
        except urllib.error.HTTPError as error:
            if error.code != _RANGE_NOT_SATISFIABLE or not have:
                raise
            error.close()
            part.unlink()  # longer than the file, which has changed or has an unknown size
            return False
        with response:
            resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
            announced = response.headers.get("Content-Length")
            received = 0
            with part.open("ab" if resumed else "wb") as target:
                while chunk := response.read(_CHUNK_BYTES):
                    target.write(chunk)
                    received += len(chunk)
        if announced is not None and received < int(announced):  # read() does not raise if the connection is cut
            raise ConnectionResetError(errno.ECONNRESET, "closed the connection before the end of the file")
        return True


def reason(error: BaseException) -> str:
    """Return why a request failed, as a predicate of the host."""
    if isinstance(error, urllib.error.HTTPError):
        return f"responds with HTTP {error.code} {error.reason}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"does not respond within {_TIMEOUT_S:.0f} s"
    words = (cause.strerror if isinstance(cause, OSError) else None) or str(cause) or type(cause).__name__
    return f"cannot be reached: {words}"


def _raise_if_final(error: BaseException) -> None:
    """Raise an error response that another attempt does not change. Its headers can be read, its body is closed."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        if error.code != _TOO_MANY_REQUESTS and error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            raise error


def _host(url: str) -> str:
    return urlsplit(url).netloc.rsplit("@", 1)[-1]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
