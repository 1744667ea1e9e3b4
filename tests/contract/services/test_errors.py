"""Error codes: one table per service, in the same form, on a page of the reference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from contract.services.programs import BRIDGE, OPERATOR, WHISPER, Program
from repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.unit

HTTP = (BRIDGE, WHISPER)


def statuses(program: Program) -> Mapping[str, int]:
    return {code: status for code, (status, _) in program.module("errors").PROBLEMS.items()}


def texts(program: Program) -> Mapping[str, tuple[str, ...]]:
    """What the table says of each code: a title, or a meaning and a remedy."""
    errors = program.module("errors")
    if program is OPERATOR:
        return {code: tuple(entry) for code, entry in errors.CODES.items()}
    return {code: (title,) for code, (_, title) in errors.PROBLEMS.items()}


def test_every_code_is_in_snake_case(service: Program) -> None:
    assert [code for code in texts(service) if not re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", code)] == []


def test_every_text_begins_with_a_capital_and_a_meaning_alone_is_a_sentence(service: Program) -> None:
    """Titles of RFC 9457 end without a full stop; the operator's meanings and remedies are sentences."""
    for code, said in texts(service).items():
        for text in said:
            assert text[0].isupper() or text[0] == "`", code
            assert text.endswith(".") == (service is OPERATOR), code


def test_every_code_is_on_its_page(service: Program) -> None:
    page = (ROOT / "docs" / "reference" / service.errors_page).read_text(encoding="utf-8")

    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(texts(service))


def test_codes_that_bridge_and_whisper_share_have_the_same_status() -> None:
    bridge, whisper = (statuses(program) for program in HTTP)
    shared = bridge.keys() & whisper.keys()

    assert {"no_file", "not_found", "method_not_allowed", "internal"} <= shared
    assert {code: bridge[code] for code in shared} == {code: whisper[code] for code in shared}


@pytest.mark.parametrize("service", HTTP, ids=lambda program: program.package, indirect=True)
def test_a_problem_document_has_the_members_of_the_table_and_the_field_at_fault(service: Program) -> None:
    problem = service.module("errors").Problem("bad_field", "It must be a number.", param="temperature")

    document = service.module("api.problem_documents").problem_document(problem, "0123456789abcdef")

    assert document == {
        "type": "about:blank",
        "title": problem.title,
        "status": 400,
        "detail": "It must be a number.",
        "code": "bad_field",
        "request_id": "0123456789abcdef",
        "param": "temperature",
    }


@pytest.mark.parametrize("service", HTTP, ids=lambda program: program.package, indirect=True)
def test_a_problem_under_v1_is_the_error_object_of_openai(service: Program) -> None:
    problem = service.module("errors").Problem("model_not_found", "There is no such model.", param="model")

    document = service.module("api.problem_documents").openai_document(problem)

    assert document == {
        "error": {
            "message": "There is no such model.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }
