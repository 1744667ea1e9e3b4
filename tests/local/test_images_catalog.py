"""Which images are built, in which order, with what of this machine."""

from __future__ import annotations

import pytest

from speechcli.errors import UsageError
from speechlocal import versions
from speechlocal.images import build_arguments, catalog
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit


def test_an_image_is_tagged_with_the_version_of_what_is_inside() -> None:
    assert catalog.tag("bridge") == f"speechpipeline/bridge:{catalog.project_version()}"
    assert catalog.tag("ollama") == f"speechpipeline/ollama:{versions.OLLAMA}"


def test_an_image_for_a_gpu_is_the_same_name_with_another_tag() -> None:
    assert catalog.tag("whisper-cuda") == f"{catalog.tag('whisper')}-cuda"


def test_without_names_all_images_for_a_cpu_are_built() -> None:
    assert [image.name for image in catalog.chosen([])] == [
        "bridge",
        "whisper",
        "operator",
        "ollama",
        "whisper-tiny.en",
    ]


def test_an_image_for_a_gpu_is_built_when_it_is_named() -> None:
    assert [image.name for image in catalog.chosen(["whisper-cuda"])] == ["whisper-cuda"]


def test_the_images_are_those_that_the_operator_takes() -> None:
    settings = Settings()

    assert settings.bridge_image == catalog.tag("bridge")
    assert settings.whisper_image == catalog.tag("whisper")
    assert settings.whisper_gpu_image == catalog.tag("whisper-cuda")


def test_the_base_of_an_image_is_included_before_it() -> None:
    assert [image.name for image in catalog.chosen(["whisper-tiny.en", "bridge"])] == [
        "bridge",
        "whisper",
        "whisper-tiny.en",
    ]


def test_an_unknown_name_is_rejected_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no image brigde") as refused:
        catalog.chosen(["brigde"])

    assert "bridge, whisper, operator" in refused.value.advice


def test_pips_own_index_reaches_the_build() -> None:
    listed = "global.cert='/etc/ssl/ca.crt'\nglobal.index-url='https://packages.example.com/simple'\n"

    assert build_arguments.indexes_in(listed) == {"PIP_INDEX_URL": "https://packages.example.com/simple"}


def test_an_index_in_the_environment_wins_over_the_file() -> None:
    listed = ":env:.index-url='https://new.example.com'\nglobal.index-url='https://old.example.com'\n"

    assert build_arguments.indexes_in(listed) == {"PIP_INDEX_URL": "https://new.example.com"}


def test_the_proxies_of_this_machine_reach_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_arguments, "python_indexes", dict)

    arguments = build_arguments.build_arguments(
        {"HTTPS_PROXY": "http://proxy.example.com:3128", "NO_PROXY": "", "HOME": "/"}
    )

    assert arguments == {"HTTPS_PROXY": "http://proxy.example.com:3128"}
