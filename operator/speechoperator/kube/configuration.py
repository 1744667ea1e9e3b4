"""How to reach the API server: a service account with its rotating token, or a kubeconfig with its plugins."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from speechoperator.errors import OperatorError


class NoClusterError(OperatorError):
    """There is neither a service account nor a usable kubeconfig."""

    code = "no_cluster"


async def load_configuration() -> Configuration:
    """Return how to reach the API: by the service account in a cluster, else by the kubeconfig.

    Raises:
        NoClusterError: there is neither.
    """
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await load_kubeconfig(configuration)
    configuration.proxy = configuration.proxy or _proxy_for(configuration.host)
    # Otherwise aiohttp would look for a proxy, and read ~/.netrc in a thread, on every single request.
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment sets for a URL, chosen as `kubectl` chooses it."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


async def load_kubeconfig(configuration: Configuration) -> None:
    """Load a kubeconfig into a configuration; its plugins give fresh tokens.

    Raises:
        NoClusterError: there is no usable one.
    """
    try:
        await config.load_kube_config(client_configuration=configuration)
    except (config.ConfigException, OSError, TypeError) as error:
        raise NoClusterError(f"not in a cluster, and no usable kubeconfig: {error}") from error
