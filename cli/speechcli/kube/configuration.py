"""Which cluster, as whom, in which namespace: from the kubeconfig and the options that kubectl has too."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from speechcli.errors import ClusterError
from speechcli.proxies import proxy_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

DEFAULT_NAMESPACE = "default"
OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""In a pod: the namespace of its service account."""


@dataclass(frozen=True)
class ClusterOptions:
    """What the user chose; None leaves the choice to the kubeconfig, and its place to KUBECONFIG."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None

    @property
    def kubectl(self) -> tuple[str, ...]:
        """The same choice, as options of kubectl."""
        kubeconfig = ("--kubeconfig", str(self.kubeconfig)) if self.kubeconfig else ()
        return (*kubeconfig, *(("--context", self.context) if self.context else ()))


@dataclass(frozen=True)
class ClusterAccess:
    """How to reach the API server, and the namespace to work in; `renew` gives the same with fresh credentials."""

    configuration: Configuration
    namespace: str
    renew: Callable[[], Awaitable[ClusterAccess]]


async def load(options: ClusterOptions) -> ClusterAccess:
    """Load the kubeconfig; its plugins give fresh tokens. In a pod without one, use its service account.

    Raises:
        ClusterError: there is no usable kubeconfig, it lacks the context, or its plugin gives no credentials.
    """
    configuration = Configuration()
    chosen = str(options.kubeconfig) if options.kubeconfig else None
    try:
        if not chosen and not options.context and _missing(chosen) and "KUBERNETES_SERVICE_HOST" in os.environ:
            namespace = _in_pod(configuration)
        else:
            namespace = await _from_kubeconfig(configuration, chosen, options.context)
    except (config.ConfigException, OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ClusterError(
            f"no usable kubeconfig: {_missing(chosen) or error}",
            "check `kubectl config get-contexts`, or choose one with --kubeconfig FILE and --context NAME",
        ) from error
    configuration.proxy = configuration.proxy or proxy_for(configuration.host)
    # Otherwise aiohttp would look for a proxy, and read ~/.netrc, on every single request.
    configuration.client_session_kwargs = {"trust_env": False}
    return ClusterAccess(configuration, options.namespace or namespace or DEFAULT_NAMESPACE, lambda: load(options))


async def _from_kubeconfig(configuration: Configuration, chosen: str | None, context: str | None) -> str:
    """Load the kubeconfig into the configuration, and return the namespace of its context, empty without one."""
    with _errors() as errors:
        loader = await config.load_kube_config(
            config_file=chosen, context=context, client_configuration=configuration, persist_config=False
        )
    user: Any = loader._user  # noqa: SLF001 - the library has no other way to ask, and ignores a plugin's failure
    if user is not None and "exec" in user and not (configuration.api_key or configuration.cert_file):
        raise ClusterError(
            f"{user['exec']['command']} gives no credentials: {'; '.join(errors) or 'it says nothing'}",
            "log in again: `kubectl cluster-info` runs the same command",
        )
    return str(loader.current_context["context"].get("namespace") or "")


def _in_pod(configuration: Configuration) -> str:
    """Load the service account of this pod into the configuration, and return its namespace."""
    config.load_incluster_config(client_configuration=configuration)
    return OWN_NAMESPACE.read_text().strip()


@contextmanager
def _errors() -> Iterator[list[str]]:
    """Collect what the library logs as errors, instead of printing it."""
    errors: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                errors.append(record.getMessage())

    logger, handler = logging.getLogger(config.__name__), Collect()
    logger.addHandler(handler)
    before, logger.propagate = logger.propagate, False
    try:
        yield errors
    finally:
        logger.propagate = before
        logger.removeHandler(handler)


def _missing(chosen: str | None) -> str:
    """Return that none of the files exists, empty if one does: the library then complains of a missing key."""
    files = (chosen or config.KUBE_CONFIG_DEFAULT_LOCATION).split(os.pathsep)
    if any(file and Path(file).expanduser().exists() for file in files):
        return ""
    return f"{' and '.join(filter(None, files))} does not exist"
