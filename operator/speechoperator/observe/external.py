"""External services (`url`): whether they respond, and which models they have.

The operator has no permission to read Secrets, so it probes without the credentials of the bridge. A service that
rejects that (401, 403) is there, and more cannot be known.
"""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from speechoperator.errors import OllamaError, OllamaRejectedError, describe_os_error, encodable
from speechoperator.observe.authorities import Authorities, UnusableError
from speechoperator.observe.polling import Target
from speechoperator.plan.snapshot import Health, OllamaPod

if TYPE_CHECKING:
    import ssl

    from speechoperator.api import Ollama, Whisper
    from speechoperator.kube.client import KubeClient
    from speechoperator.observe.egress import Egress
    from speechoperator.observe.polling import Polls
    from speechoperator.ollama.client import OllamaClient

_REJECTED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_MAX_LIST_BYTES = 2**20
_MAX_DETAIL_CHARS = 500
"""Length of what a service says about itself: whoever edits the spec reads it in the status."""
_INTERVAL_S = 30.0
"""Seconds until a service that responds is probed again."""


class ExternalServices:
    """Probes external services. It connects to no denied address and follows no redirect.

    Args:
        client: Reads the ConfigMaps with certificate authorities.
        ollama: The client of Ollama; it does not connect to denied addresses either.
        egress: Opens connections.
        timeout_s: Seconds a service has to respond.
    """

    def __init__(self, client: KubeClient, ollama: OllamaClient, egress: Egress, timeout_s: float) -> None:
        self._authorities = Authorities(client)
        self._ollama = ollama
        self._egress = egress
        self._timeout_s = timeout_s

    def latest_ollama(self, polls: Polls, spec: Ollama, topic: str) -> OllamaPod | None:
        """Return the latest that is known of an external language model server; None before the first probe."""
        return polls.latest(
            Target(topic, f"{spec.url} {spec.protocol} {spec.ca}"),
            partial(self.generator, polls.key.namespace, spec),
            lambda _: _INTERVAL_S,
            failed=lambda polled: not polled.reachable,
            required=False,
        )

    def latest_whisper(self, polls: Polls, spec: Whisper) -> Health | None:
        """Return the latest that is known of an external Whisper; None before the first probe."""
        return polls.latest(
            Target("whisper", f"{spec.url} {spec.engine} {spec.ca}"),
            partial(self.transcriber, polls.key.namespace, spec),
            lambda _: _INTERVAL_S,
            failed=lambda health: not health.healthy,
        )

    async def generator(self, namespace: str, spec: Ollama) -> OllamaPod:
        """Return which models an external language model server has.

        Args:
            namespace: The namespace of the pipeline.
            spec: The spec, with a URL.
        """
        found = await self._generator(namespace, spec)
        if not found.reachable:
            self._authorities.doubt(namespace, spec.ca)
        return found

    async def transcriber(self, namespace: str, spec: Whisper) -> Health:
        """Return whether a speech recognition server responds; any response but a server error counts.

        The arguments are those of `generator`. whisper-asr-webservice does not respond during a job, so a timeout of it
        is no failure.
        """
        found = await self._transcriber(namespace, spec)
        if not found.healthy:
            self._authorities.doubt(namespace, spec.ca)
        return found

    async def _generator(self, namespace: str, spec: Ollama) -> OllamaPod:
        url = (spec.url or "").rstrip("/")
        try:
            authorities = await self._authorities.context(namespace, spec.ca)
            if spec.protocol == "ollama":
                return OllamaPod(reachable=True, models=await self._ollama.models(url, authorities))
        except OllamaRejectedError as error:
            return OllamaPod(reachable=True, detail=str(error), rejected=True)
        except (OllamaError, UnusableError) as error:
            return OllamaPod(reachable=False, detail=str(error))
        return await self._listed(f"{url}/v1/models", authorities)

    async def _transcriber(self, namespace: str, spec: Whisper) -> Health:
        try:
            authorities = await self._authorities.context(namespace, spec.ca)
            status, reason, _ = await self._get(spec.url or "", authorities)
        except TimeoutError:
            return Health(spec.engine == "asr-webservice", "no response in time")
        except (UnusableError, aiohttp.ClientError, OSError, ValueError) as error:
            return Health(healthy=False, detail=_words(error))
        healthy = status < HTTPStatus.INTERNAL_SERVER_ERROR
        return Health(healthy, "" if healthy else _status_line(status, reason), rejected=status in _REJECTED)

    async def _listed(self, url: str, authorities: ssl.SSLContext | None) -> OllamaPod:
        """Return the models that a service with OpenAI's API lists."""
        try:
            status, reason, body = await self._get(url, authorities)
            if status in _REJECTED:
                return OllamaPod(reachable=True, detail=_status_line(status, reason), rejected=True)
            if status >= HTTPStatus.MULTIPLE_CHOICES:
                return OllamaPod(reachable=False, detail=_status_line(status, reason))
        except TimeoutError:
            return OllamaPod(reachable=False, detail="no response in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return OllamaPod(reachable=False, detail=_words(error))
        try:
            names = [encodable(str(model["id"])) for model in json.loads(body)["data"]]
        except (KeyError, TypeError, ValueError):
            return OllamaPod(reachable=False, detail="it does not list models as OpenAI's API does")
        return OllamaPod(reachable=True, models=dict.fromkeys(names, ""))

    async def _get(self, url: str, authorities: ssl.SSLContext | None) -> tuple[int, str, bytes]:
        """Return status, reason and the beginning of the body."""
        connector = aiohttp.TCPConnector(force_close=True, socket_factory=self._egress.socket)
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(url, ssl=authorities or True, allow_redirects=False) as response,
        ):
            body = await response.content.read(_MAX_LIST_BYTES)
            while len(body) < _MAX_LIST_BYTES and (more := await response.content.read(_MAX_LIST_BYTES - len(body))):
                body += more
            return response.status, response.reason or "", body


def _status_line(status: int, reason: str) -> str:
    return encodable(f"HTTP {status}: {reason}")[:_MAX_DETAIL_CHARS]


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return describe_os_error(error.os_error)
    return encodable(str(error))[:_MAX_DETAIL_CHARS]
