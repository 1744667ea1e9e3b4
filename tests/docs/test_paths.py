"""Pages for newcomers name files that exist."""

import re

import pytest

from repository import ROOT

pytestmark = pytest.mark.unit

PATH = re.compile(r"`((?:bridge|whisper|operator|cli|local|charts|tests|docs|examples|benchmarks)/[\w./-]+)`")
PAGES = ["README.md", "CONTRIBUTING.md", "docs/explanation/architecture.md", "docs/explanation/operator.md"]
QUESTIONS = [
    "How is `Retry-After` computed?",
    "How is a pod chosen?",
    "What happens when Whisper dies mid-request?",
    "Where does a field of the SpeechPipeline become a container argument?",
    "What makes `Ready` false?",
]


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    named = PATH.findall((ROOT / page).read_text(encoding="utf-8"))

    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_contributing_answers_a_newcomers_question_with_a_file(question: str) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith(f"| {question} |"))

    assert PATH.findall(row)
