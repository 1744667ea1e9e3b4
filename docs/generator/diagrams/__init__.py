"""The diagrams of the explanations, drawn as SVG; `make docs` writes them to docs/images/diagrams."""

from __future__ import annotations

from generator.diagrams import pictures

DIAGRAMS = {
    "architecture": pictures.architecture,
    "request": pictures.request,
    "reconcile": pictures.reconcile,
    "scaling": pictures.scaling,
}
