"""Write docs/reference/images.md from the images in the container engine: build them all first.

make images ONLY="bridge whisper operator whisper-cuda whisper-tiny.en ollama"
.venv/bin/python docs/record_images.py
"""

from __future__ import annotations

from pathlib import Path

from generator.images import Measured, images_page
from speechlocal.containers import docker
from speechlocal.images import catalog, sbom
from speechlocal.images.labels import PREFIX

PAGE = Path(__file__).resolve().parent / "reference" / "images.md"


def measured(tag: str) -> Measured:
    """Return what the engine says about an image; raises LocalError if it has none."""
    packages = sbom.contents(tag)
    return Measured(
        tag,
        sbom.labels(tag).get(f"{PREFIX}description", ""),
        int(docker.docker("image", "inspect", "--format", "{{.Size}}", tag)),
        sum(one.type == "deb" for one in packages),
        sum(one.type == "pypi" for one in packages),
    )


if __name__ == "__main__":
    PAGE.write_text(images_page(measured(image.tag) for image in catalog.IMAGES.values()), encoding="utf-8")
    print(f"wrote {PAGE}")  # noqa: T201 - a script
