"""How the bridge is reached from outside the cluster, and who may call it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.values import Host, LongText, Namespace, ObjectName, Port, SectionName


class Ingress(Model):
    """An Ingress in front of the bridge."""

    host: Host = Field(description="Host name under which the bridge is reached, such as speech.example.com.")
    class_name: ObjectName | None = Field(
        None, description="IngressClass, such as traefik. Absent: the cluster's default class."
    )
    tls_secret_name: ObjectName | None = Field(
        None, description="Secret with the certificate of the host. Absent: plain HTTP."
    )
    annotations: Annotated[dict[str, LongText], Field(max_length=64)] = Field(
        {}, description="Annotations of the Ingress, for its controller."
    )
    port: Port | None = Field(
        None,
        description="Port on which the controller listens, for status.url only. Absent: 80, or 443 with tlsSecretName.",
    )


class ParentRef(Model):
    """A Gateway."""

    name: ObjectName = Field(description="Name of the Gateway.")
    namespace: Namespace | None = Field(None, description="Namespace of the Gateway. Absent: the pipeline's.")
    section_name: SectionName | None = Field(None, description="Listener of the Gateway. Absent: all of them.")


class Gateway(Model):
    """An HTTPRoute to the bridge."""

    parent_ref: ParentRef = Field(description="The Gateway that the route hangs on.")
    host: Host = Field(description="Host name under which the bridge is reached, such as speech.example.com.")


class ApiKeys(Model):
    """The keys of callers."""

    secret_name: ObjectName = Field(
        description="Secret of the pipeline's namespace in which each value is one API key; callers send theirs as "
        "`Authorization: Bearer KEY`."
    )
