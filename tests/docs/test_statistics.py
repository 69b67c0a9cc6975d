"""docs/statistics.md: its example prints what the page says."""

import contextlib
import io
import re

from toys.docs import ROOT


def test_the_example_prints_what_the_page_says():
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert f"```\n{printed.getvalue()}```" in page
