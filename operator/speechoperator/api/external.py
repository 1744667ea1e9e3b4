"""How an external service is reached: credentials of the bridge, and certificate authorities."""

from __future__ import annotations

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.values import DataKey, ObjectName


class Auth(Model):
    """The API key that the bridge sends to an external service. The operator never reads it."""

    secret_name: ObjectName = Field(
        description="Secret in the namespace of the pipeline. The bridge sends the key as `Authorization: Bearer KEY`; "
        "it reads it at startup."
    )
    key: DataKey = Field("api-key", description="Key in the Secret whose value is the API key.")


class CertificateAuthorities(Model):
    """The certificate authorities that sign the certificate of an external service."""

    config_map_name: ObjectName = Field(
        description="ConfigMap in the namespace of the pipeline with certificates in PEM format. They replace those of "
        "the system."
    )
    key: DataKey = Field("ca.crt", description="Key in the ConfigMap whose value are the certificates.")
