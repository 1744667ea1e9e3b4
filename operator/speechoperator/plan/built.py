"""The manifests of a pipeline, what they were made from, and what they matched, for the next plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.kube.objects import Object, Ref


@dataclass(frozen=True, slots=True)
class Built:
    """Manifests with their inputs. Plans share them: nobody may change them, nor the live objects.

    Attributes:
        inputs: Everything that they depend on; equal inputs give equal manifests.
        manifests: The manifests, with their hashes.
        matches: Manifests and live objects that were compared last, and did not differ.
    """

    inputs: tuple[object, ...]
    manifests: tuple[Object, ...]
    matches: Mapping[Ref, tuple[Object, Object]] = field(default_factory=dict)
