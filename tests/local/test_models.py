import pytest

from speechlocal import models
from speechlocal.errors import MissingError

pytestmark = pytest.mark.unit


def test_both_models_are_there() -> None:
    assert (models.whisper_weights() / "model.bin").stat().st_size > 70e6
    assert models.llm_weights().read_bytes()[:4] == b"GGUF"


def test_a_package_that_is_not_installed_says_what_to_do() -> None:
    with pytest.raises(MissingError, match="no_such_package is not installed") as missing:
        models.package_folder("no_such_package")
    assert "make demo" in missing.value.advice
