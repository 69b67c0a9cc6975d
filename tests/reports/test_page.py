"""The page: its parts where they belong, what people typed escaped, nothing where nothing was given."""

import re

from PIL import Image

from toys.outline import Outline
from toys.pictures import picture
from uncollapse.metrics.sets.bootstrap import Interval
from uncollapse.reports import Drawing, Finding, Table, as_drawing, drawings, rendered
from uncollapse.reports.figures import Plot, new

TABLE = Table(
    "Figures", ["", "share"], [["<b>", Interval(0.5, 0.4, 0.6)], ["none", None]], ["a note"], align="lr"
)


def test_its_parts_stand_in_order():
    html = rendered(
        "The title",
        lead="The lead.",
        finding=Finding("healthy", "denoiser", ["For a reason."], "Try this.", "good"),
        notes=["The note."],
        picture=as_drawing(picture("red"), "sheet", "what it shows", "The sheet"),
        figures=[Drawing("curve", "<svg></svg>", "The caption.", wide=True)],
        tables=[TABLE],
        settings={"seed": 3, "β": None},
        manual="docs/x.md",
    )
    page = Outline(html)
    parts = ["The title", "The lead.", "Healthy", "For a reason.", "Try this.", "The note.", "The caption."]
    parts += ["0.5 [0.4–0.6]", "–", "a note", "seed", "docs/x.md"]
    places = [page.text.index(part) for part in parts]
    assert places == sorted(places)
    assert "β" not in page.text
    assert {"class": "finding good"} in page.all("div")
    assert {"id": "curve", "class": "wide"} in page.all("figure")
    assert page.all("td") == [{"class": "right"}] * 2
    assert not re.search(r"https?://|//cdn|@import|url\(", html)


def test_what_was_not_given_leaves_nothing_behind():
    page = Outline(rendered("The title"))
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"p", "div", "figure", "table", "h2", "dl"}


def test_what_people_typed_is_escaped():
    evil = "<script>alert(1)</script>"
    finding = Finding(evil, evil, [evil], evil)
    table = Table(evil, [evil, evil], [[evil, evil]], [evil])
    html = rendered(
        evil, lead=evil, finding=finding, notes=[evil], tables=[table], settings={evil: evil}, manual=evil,
        picture=as_drawing(picture("red"), evil, f'"{evil}"', evil), figures=[Drawing(evil, "", evil)],
    )  # fmt: skip
    assert not Outline(html).all("script")


def test_figures_are_written_and_handed_to_the_page(tmp_path):
    figure, axes = new(3, 2)
    axes.plot([0, 1], [0, 1])
    [drawing] = drawings({"line": Plot(figure, "A line.", wide=True)}, tmp_path)
    assert (drawing.name, drawing.caption, drawing.wide) == ("line", "A line.", True)
    assert drawing.markup.startswith("<svg")
    assert (tmp_path / "line.svg").read_text(encoding="utf-8").count("<svg") == 1
    with Image.open(tmp_path / "line.png") as saved:
        assert saved.size == (450, 300)
