"""Which pods may connect to the pods of a pipeline."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.rules import Rule
from speechoperator.api.values import AnyObject, Flag


class Peer(Model):
    """Clients, as in a NetworkPolicy."""

    rules = (
        Rule(
            "has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",
            lambda peer: peer.has("ip_block") != peer.has("pod_selector", "namespace_selector"),
            "set either ipBlock, or podSelector and namespaceSelector or one of them",
        ),
    )

    pod_selector: AnyObject | None = Field(
        None, description="Labels of the pods; {} selects all. If unset, all pods of the namespaces."
    )
    namespace_selector: AnyObject | None = Field(
        None, description="Labels of the namespaces; {} selects all. If unset, the namespace of the pipeline."
    )
    ip_block: AnyObject | None = Field(
        None, description="Range of IP addresses: cidr, and except. If unset, the selectors apply."
    )


Peers = Annotated[tuple[Peer, ...], Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "atomic"})]


class NetworkPolicy(Model):
    """The NetworkPolicies of the pipeline. They take effect if the cluster's network plugin enforces them."""

    enabled: Flag = Field(
        default=True, description="Create a NetworkPolicy for each component. If false, existing ones are deleted."
    )
    bridge_from: Peers | None = Field(
        None,
        description="Clients of the bridge, such as the ingress controller. They are admitted besides the operator and "
        "metricsFrom. If unset, all clients.",
    )
    metrics_from: Peers = Field(
        (),
        description="Clients that read the metrics of the bridge, Whisper and Ollama, such as Prometheus. Metrics have "
        "no port of their own, so these clients have access to the whole API. If unset, those of the operator's "
        "METRICS_FROM; [] is none.",
    )
