"""Line breaks in the tables of the site."""

import pytest

from generator.site.breaks import breakable

pytestmark = pytest.mark.unit


def test_a_long_name_in_a_table_may_break_after_a_separator() -> None:
    assert breakable("<td><code>REQUEST_TIMEOUT_PER_SECOND</code></td>") == (
        "<td><code>REQUEST_<wbr>TIMEOUT_<wbr>PER_<wbr>SECOND</code></td>"
    )


@pytest.mark.parametrize(
    "html", ["<td><code>SERVER_PORT</code></td>", "<p><code>REQUEST_TIMEOUT_PER_SECOND</code></p>"]
)
def test_short_names_and_other_text_stay(html: str) -> None:
    assert breakable(html) == html
