"""Which cluster, as whom, in which namespace: from the kubeconfig and the options that kubectl has too."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import yaml
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from speechcli.errors import ClusterError

DEFAULT_NAMESPACE = "default"


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
    """How to reach the API server, and the namespace to work in."""

    configuration: Configuration
    namespace: str


async def load(options: ClusterOptions) -> ClusterAccess:
    """Load the kubeconfig; its plugins give fresh tokens.

    Raises:
        ClusterError: there is no usable kubeconfig, or it lacks the context.
    """
    logging.getLogger(config.__name__).setLevel(logging.ERROR)  # a missing file is an error below
    configuration = Configuration()
    chosen = str(options.kubeconfig) if options.kubeconfig else None
    try:
        loader = await config.load_kube_config(
            config_file=chosen, context=options.context, client_configuration=configuration, persist_config=False
        )
    except (config.ConfigException, OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ClusterError(
            f"no usable kubeconfig: {_missing(chosen) or error}",
            "check `kubectl config get-contexts`, or choose one with --kubeconfig FILE and --context NAME",
        ) from error
    configuration.proxy = configuration.proxy or await asyncio.to_thread(_proxy_for, configuration.host)
    # Otherwise aiohttp would look for a proxy, and read ~/.netrc, on every single request.
    configuration.client_session_kwargs = {"trust_env": False}
    of_context = loader.current_context["context"].get("namespace")
    return ClusterAccess(configuration, options.namespace or of_context or DEFAULT_NAMESPACE)


def _missing(chosen: str | None) -> str:
    """Return that none of the files exists, empty if one does: the library then complains of a missing key."""
    files = (chosen or config.KUBE_CONFIG_DEFAULT_LOCATION).split(os.pathsep)
    if any(file and Path(file).expanduser().exists() for file in files):
        return ""
    return f"{' and '.join(filter(None, files))} does not exist"


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment sets for a URL, chosen as kubectl chooses it."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
