"""The manifests of a pipeline and what they were made from, for the next plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechoperator.kube.objects import Object


@dataclass(frozen=True, slots=True)
class Built:
    """Manifests with their inputs. Plans share them: nobody may change them.

    Attributes:
        inputs: Everything that they depend on; equal inputs give equal manifests.
        manifests: The manifests, with their hashes.
    """

    inputs: tuple[object, ...]
    manifests: tuple[Object, ...]
