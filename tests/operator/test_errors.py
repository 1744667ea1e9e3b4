"""The table of error codes: complete, and without entries that nothing uses."""

import importlib
import pkgutil
from collections.abc import Iterator
from http import HTTPStatus

import pytest

import speechoperator
from speechoperator.errors import CODES, OperatorError
from speechoperator.kube.errors import ApiError, Request

pytestmark = pytest.mark.unit

REQUEST = Request("create", "services", "team")
FORBIDDEN = 'services is forbidden: User "op" cannot create resource "services" in API group ""'


def subclasses(of: type[OperatorError]) -> Iterator[type[OperatorError]]:
    yield of
    for found in of.__subclasses__():
        yield from subclasses(found)


def class_codes() -> set[str]:
    """The codes of all error classes in the package."""
    for module in pkgutil.walk_packages(speechoperator.__path__, "speechoperator."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    codes = {found.code for found in subclasses(OperatorError)}
    return {code for code in codes if isinstance(code, str)}  # ApiError computes it


def computed_codes() -> set[str]:
    """The codes that `ApiError` computes, from every status and message that it tells apart."""
    statuses = (0, *(status.value for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST))
    errors = [ApiError(REQUEST, status, "", "no") for status in statuses]
    errors += [
        ApiError(REQUEST, HTTPStatus.FORBIDDEN, "Forbidden", FORBIDDEN),
        ApiError(REQUEST, HTTPStatus.FORBIDDEN, "Forbidden", "no", ("NamespaceTerminating",)),
        ApiError(REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", 'failed calling webhook "v.io": no'),
    ]
    return {error.code for error in errors}


def test_every_code_is_in_the_table_and_every_entry_is_used() -> None:
    assert class_codes() | computed_codes() == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_an_entry_says_what_happened_and_what_to_do(code: str) -> None:
    assert CODES[code].meaning.endswith(".")
    assert CODES[code].remedy.endswith(".")
