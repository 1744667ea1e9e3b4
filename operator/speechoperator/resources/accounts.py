"""ServiceAccounts: the identity of each part's pods, with no rights and no token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.resources.labels import metadata
from speechoperator.resources.names import named

if TYPE_CHECKING:
    from speechoperator.models import SpeechPipeline
    from speechoperator.observed import Object
    from speechoperator.resources.names import Component


def account(pipeline: SpeechPipeline, component: Component) -> Object:
    """Return a part's ServiceAccount."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(pipeline, component, named(pipeline.name, component)),
        "automountServiceAccountToken": False,
    }
