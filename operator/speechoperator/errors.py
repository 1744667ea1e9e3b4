"""The errors of the operator, and the table of their codes: what each means, and what to do about it.

An error of the API server is data, not a crash: `kube.errors` classifies it, a condition reports it where a person can
act on it, and the write is retried with backoff. `docs/reference/operator-errors.md` is generated from the table.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Code(NamedTuple):
    """What an error code stands for.

    Attributes:
        meaning: What happened.
        remedy: What to do about it.
    """

    meaning: str
    remedy: str


CODES: Mapping[str, Code] = {
    # The operator itself.
    "internal": Code("The operator failed unexpectedly.", "Report this bug, with the `exception` of the log line."),
    "not_leading": Code(
        "A write was due after this replica had lost the Lease, and was not sent.",
        "Nothing: the leader reconciles the pipeline. If it happens often, the API server is too slow for"
        " `LEASE_RENEW_DEADLINE`.",
    ),
    "no_cluster": Code(
        "There is neither a service account nor a usable kubeconfig.", "Run it in a pod, or set `KUBECONFIG`."
    ),
    "invalid_file": Code(
        "A file given to `render` or `replay` cannot be read, or lacks what the command needs: a valid SpeechPipeline,"
        " or requests.",
        "Correct what the message names.",
    ),
    "method_not_allowed": Code(
        "The path on the operator's own port does not allow the method (405).",
        "Use a method listed in the header `Allow`.",
    ),
    # Requests to the API server.
    "unreachable": Code(
        "The API server did not respond.", "Nothing, if it recovers: the operator retries. Otherwise check the network."
    ),
    "server_error": Code(
        "The API server, or a proxy in front of it, failed (5xx).",
        "Nothing, if it recovers: the operator retries. Otherwise check the API server.",
    ),
    "webhook": Code(
        "An admission or conversion webhook of the cluster failed, or could not be called (5xx).",
        "Nothing, if it recovers: the operator retries, and writes everything else. Otherwise repair or remove the"
        " webhook that the message names.",
    ),
    "throttled": Code("The API server is overloaded (429).", "Nothing: the operator waits as long as the server asks."),
    "unauthorized": Code(
        "The API server did not accept the credentials (401).", "Check the service account, or log in again."
    ),
    "forbidden": Code(
        "RBAC does not allow the request (403).", "Grant the operator's role the permission that the message names."
    ),
    "denied": Code(
        "A quota or an admission plugin denied the request (403).", "Raise the quota, or change what the plugin names."
    ),
    "not_found": Code(
        "The object or its kind, or a path on the operator's own port, does not exist (404).",
        "Nothing, if it was just deleted. Otherwise install what is missing: the CRD or the Gateway API.",
    ),
    "conflict": Code(
        "Another writer changed the object first, or its name is taken (409).",
        "Nothing, in the first case: the operator retries. Otherwise rename the pipeline or the other object.",
    ),
    "invalid": Code(
        "The API server does not accept the object (422).",
        "Change the field of the spec that the message names.",
    ),
    "namespace_terminating": Code("The namespace is gone, or being deleted.", "Nothing."),
    "rejected": Code("The API server rejected the request with another 4xx.", "See the message."),
    # Ollama.
    "ollama": Code(
        "Ollama failed, rejected a request or did not respond.",
        "See the message, which comes from Ollama or from the connection. Pulls are retried with backoff.",
    ),
}
"""All codes, by name. They are stable; logs carry them and metrics count by them."""


class OperatorError(Exception):
    """Base of all errors of the operator. `code` is one of `CODES`."""

    code = "internal"


class NotLeadingError(OperatorError):
    """A write was due after this replica had lost the Lease."""

    code = "not_leading"


class PathNotFoundError(OperatorError):
    """A client requested an unknown path of the operator's own port."""

    code = "not_found"


class MethodNotAllowedError(OperatorError):
    """A client used a method that a path of the operator's own port does not have."""

    code = "method_not_allowed"


class OllamaError(OperatorError):
    """Ollama failed, rejected a request or did not respond. The message is its own, or the connection's."""

    code = "ollama"

    def __init__(self, message: str) -> None:
        super().__init__(encodable(message))


class OllamaRejectedError(OllamaError):
    """Ollama, or a proxy in front of it, rejected a request without credentials (401, 403)."""


def encodable(text: str) -> str:
    """Return what another server says with `?` for everything that is no character, so that it can be written.

    Bytes of a header that are not UTF-8 are lone surrogates in aiohttp, and JSON may have these as well.
    """
    return text.encode(errors="replace").decode()


def describe_os_error(error: OSError) -> str:
    """Return the system's message: "Connection refused", "Name or service not known"."""
    if error.errno and error.errno > 0:  # it is negative for a failed name resolution
        return os.strerror(error.errno)
    return error.strerror or str(error)
