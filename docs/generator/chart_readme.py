"""The table of values in the chart's README; the rest of it is written by hand."""

from __future__ import annotations

from generator import chart_values
from generator.markdown import table
from speechlocal import paths

README = paths.CHART / "README.md"
BEGIN = "<!-- Written by `make docs` from values.schema.json and values.yaml. -->\n"
END = "<!-- The end of what is written by `make docs`. -->\n"


def readme() -> str:
    """Return the README with its table renewed."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    rows = [(f"`{path}`", kind, default, said) for path, kind, default, said in chart_values.values()]
    values = table(("Value", "Type", "Default", "Description"), rows)
    return before + BEGIN + "\n" + values + "\n" + END + rest.partition(END)[2]
