"""GitHub's Markdown in the dialect of Python-Markdown."""

import pytest

from generator.site.markdown import python_markdown

pytestmark = pytest.mark.unit


def test_a_list_gets_a_blank_line_before_it() -> None:
    assert python_markdown("Colours:\n- red\n- blue\n") == "Colours:\n\n- red\n- blue\n"


def test_the_content_of_an_item_is_indented_by_four() -> None:
    source = "1. First.\n\n   More of it.\n\n2. Second.\n"

    assert python_markdown(source) == "1. First.\n\n    More of it.\n\n2. Second.\n"


def test_lists_are_nested() -> None:
    source = "- a\n  - b\n    c\n- d\n"

    assert python_markdown(source) == "- a\n    - b\n        c\n- d\n"


def test_a_list_within_a_paragraph_of_an_item_gets_a_blank_line() -> None:
    assert python_markdown("1. a\n   b:\n   - c\n   - d\n") == "1. a\n    b:\n\n    - c\n    - d\n"


def test_an_item_after_one_with_several_paragraphs_gets_a_blank_line() -> None:
    assert python_markdown("- a\n\n  b\n- c\n") == "- a\n\n    b\n\n- c\n"


def test_a_number_that_ends_a_sentence_is_no_list() -> None:
    assert python_markdown("The response is\n504. See below.\n") == "The response is\n504. See below.\n"


def test_code_in_a_list_keeps_its_own_indentation() -> None:
    source = "1. Run:\n\n   ```sh\n   for x in a; do\n     echo\n   done\n   ```\n\nEnd.\n"

    assert python_markdown(source) == (
        "1. Run:\n\n    ```sh\n    for x in a; do\n      echo\n    done\n    ```\n\nEnd.\n"
    )


def test_code_is_not_changed() -> None:
    source = "```\n- a\n<!-- b -->\n|`c\\|d`|\n```\n"

    assert python_markdown(source).strip() == source.strip()


def test_code_gets_a_blank_line_before_it() -> None:
    assert python_markdown("Run:\n```\na\n```\n").startswith("Run:\n\n```\na\n```\n")


def test_a_table_gets_a_blank_line_before_it() -> None:
    assert python_markdown("Colours:\n| a |\n|---|\n| b |\n") == "Colours:\n\n| a |\n|---|\n| b |\n"


def test_a_bar_within_code_in_a_table_needs_no_backslash() -> None:
    assert python_markdown("| a |\n|---|\n| `b\\|c` d\\|e |\n") == "| a |\n|---|\n| `b|c` d\\|e |\n"


def test_comments_are_left_out() -> None:
    assert python_markdown("<!-- generated -->\n\n# Title\n") == "# Title\n"
