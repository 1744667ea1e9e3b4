"""How the bridge is exposed outside the cluster, and who may call it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.values import Host, LongText, Namespace, ObjectName, Port, SectionName


class Ingress(Model):
    """An Ingress in front of the bridge."""

    host: Host = Field(description="Host name of the bridge, such as speech.example.com.")
    class_name: ObjectName | None = Field(
        None, description="IngressClass, such as traefik. If unset, the default IngressClass."
    )
    tls_secret_name: ObjectName | None = Field(
        None, description="Secret with the TLS certificate of the host. If unset, plain HTTP."
    )
    annotations: Annotated[dict[str, LongText], Field(max_length=64)] = Field(
        {}, description="Annotations of the Ingress, for its controller."
    )
    port: Port | None = Field(
        None,
        description="Port of the ingress controller, used in status.url only. If unset, 80, or 443 with tlsSecretName.",
    )


class BridgeService(Model):
    """The Service in front of the bridge."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(
        "ClusterIP",
        description="Type of the Service. Some ingress controllers of clouds need NodePort; LoadBalancer exposes the "
        "bridge without an Ingress, over plain HTTP.",
    )
    annotations: Annotated[dict[str, LongText], Field(max_length=64)] = Field(
        {}, description="Annotations of the Service, for the controller of the Ingress or of the load balancer."
    )


class ParentRef(Model):
    """Reference to a Gateway."""

    name: ObjectName = Field(description="Name of the Gateway.")
    namespace: Namespace | None = Field(
        None, description="Namespace of the Gateway. If unset, the namespace of the pipeline."
    )
    section_name: SectionName | None = Field(
        None, description="Name of a listener of the Gateway. If unset, all listeners."
    )


class Gateway(Model):
    """An HTTPRoute to the bridge."""

    parent_ref: ParentRef = Field(description="Gateway that the HTTPRoute is attached to.")
    host: Host = Field(description="Host name of the bridge, such as speech.example.com.")


class ApiKeys(Model):
    """The API keys of clients."""

    secret_name: ObjectName = Field(
        description="Secret in the namespace of the pipeline; each of its values is one API key. Clients send theirs "
        "as `Authorization: Bearer KEY`."
    )
