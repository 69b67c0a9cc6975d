"""The report stands alone: every tag closed, nothing fetched, nothing unescaped."""

import base64
import io
import re

from PIL import Image

from toys.comparisons import made_up
from toys.outline import Outline
from toys.pictures import picture
from uncollapse.comparison.report import report
from uncollapse.comparison.summary import headline, sentence
from uncollapse.reports import NextStep

KEPT = {"base": (10, 0), "personalised": (2, 9), "TEA α 0.2": (5, 9)}


def test_it_holds_sentence_sheet_table_and_settings():
    comparison = made_up(KEPT)
    page = Outline(report(comparison, picture("red", 40), {"seed": 3, "β": None}))
    assert sentence(comparison) in page.text
    assert "With TEA α 0.2" in page.text
    assert "50% [" in page.text
    assert "seed" in page.text
    assert "β" not in page.text  # settings that are None are left out
    [image] = page.all("img")
    assert "in scene 0" in image["alt"]
    decoded = Image.open(io.BytesIO(base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))))
    assert (decoded.size, decoded.getpixel((0, 0))) == ((40, 40), (255, 0, 0))


def test_it_fetches_nothing():
    html = report(made_up(KEPT), picture("red"), {})
    page = Outline(html)
    assert not re.search(r"https?://|//cdn|@import|url\(", html)
    assert not page.all("script")
    assert not page.all("link")


def test_it_fits_a_phone():
    page = Outline(report(made_up(KEPT), picture("red"), {}))
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


def test_what_people_type_is_escaped():
    page = Outline(report(made_up(KEPT), picture("red"), {"prompt": "<script>alert(1)</script> & <my-cat>"}))
    assert not page.all("script")
    assert "<script>alert(1)</script> & <my-cat>" in page.text


def test_it_opens_with_what_it_came_to_and_ends_with_what_to_run():
    comparison = made_up(KEPT)
    then = NextStep("For more:", "uncollapse diagnose")
    page = Outline(report(comparison, picture("red"), {"seed": 1}, then))
    places = [
        page.text.index(part) for part in (headline(comparison), "With TEA α 0.2", "seed", then.command)
    ]
    assert places == sorted(places)


def test_without_scores_there_is_no_table():
    page = Outline(report(made_up(), picture("red"), {"seed": 1}))
    assert not page.all("table")
