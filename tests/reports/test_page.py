"""The page: its parts where they belong, what people typed escaped, nothing where nothing was given."""

import re

from markupsafe import Markup
from PIL import Image

from toys.outline import Outline
from toys.pictures import picture
from uncollapse.metrics.sets.bootstrap import Interval
from uncollapse.reports import Drawing, Finding, NextStep, Table, as_drawing, drawings, rendered
from uncollapse.reports.figures import Plot, new

TABLE = Table(
    "Figures", ["", "share"], [["<b>", Interval(0.5, 0.4, 0.6)], ["none", None]], ["a note"], align="lr"
)


def test_its_parts_stand_in_order():
    html = rendered(
        "The title",
        finding=Finding("healthy", "the denoiser", ["For a reason."], "Try this.", "good"),
        lead="The lead.",
        notes=["The note."],
        picture=as_drawing(picture("red"), "sheet", "what it shows", "The sheet"),
        figures=[
            Drawing("other", "<svg></svg>", "Aside.", aside=True),
            Drawing("curve", "<svg></svg>", "The caption.", wide=True),
        ],
        tables=[TABLE],
        settings={"seed": 3, "β": None},
        then=NextStep("For more:", "uncollapse diagnose 'a b'"),
        manual="docs/x.md",
    )
    page = Outline(html)
    parts = [
        "The title",
        "Healthy",
        ", by the denoiser",
        "For a reason.",
        "Try this.",
        "The lead.",
        "The note.",
    ]
    parts += [
        "The sheet",
        "The caption.",
        "More figures",
        "Aside.",
        "0.500 [0.400–0.600]",
        "–",
        "a note",
        "seed",
    ]
    parts += ["For more:", "uncollapse diagnose 'a b'", "docs/x.md"]
    places = [page.text.index(part) for part in parts]
    assert places == sorted(places)
    assert "β" not in page.text
    assert {"class": "finding good"} in page.all("div")
    assert {"id": "curve", "class": "wide"} in page.all("figure")
    assert page.all("td") == [{"class": "right", "data-of": "share"}] * 2  # which heads it on a telephone
    assert not re.search(r"https?://|//cdn|@import|url\(", html)


def test_a_figure_fills_the_screen_when_it_is_tapped_or_its_box_is_ticked():
    page = Outline(
        rendered("The title", figures=[Drawing("curve", "<svg></svg>"), Drawing("bars", "<svg></svg>")])
    )
    boxes = [each for each in page.all("input") if each["type"] == "checkbox"]
    assert [each["id"] for each in boxes] == [each["for"] for each in page.all("label")]
    assert [each["aria-label"] for each in boxes] == ["Enlarge curve", "Enlarge bars"]
    assert not page.all("script")


def test_what_was_not_given_leaves_nothing_behind():
    page = Outline(rendered("The title"))
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"p", "div", "figure", "table", "h2", "dl", "details", "pre"}


def test_what_people_typed_is_escaped():
    evil = "<script>alert(1)</script>"
    finding = Finding(evil, evil, [evil], evil)
    table = Table(evil, [evil, evil], [[evil, evil]], [evil])
    html = rendered(
        evil, lead=evil, finding=finding, notes=[evil], tables=[table], settings={evil: evil}, manual=evil,
        then=NextStep(evil, evil),
        picture=as_drawing(picture("red"), evil, f'"{evil}"', evil), figures=[Drawing(evil, "", evil)],
    )  # fmt: skip
    assert not Outline(html).all("script")


def test_figures_are_written_and_handed_to_the_page(tmp_path):
    figure, axes = new(3, 2)
    axes.plot([0, 1], [0, 1])
    written, save = [], figure.savefig
    figure.savefig = lambda *args, format, **more: (
        written.append(format) or save(*args, format=format, **more)
    )
    [drawing] = drawings({"line": Plot(figure, "A line.", wide=True)}, tmp_path)
    assert (drawing.name, drawing.caption, drawing.wide) == ("line", "A line.", True)
    assert drawing.markup.startswith("<svg")
    assert (tmp_path / "line.svg").read_text(encoding="utf-8").endswith(drawing.markup)
    assert written == ["png", "svg"]  # each once: the file's SVG is the page's
    with Image.open(tmp_path / "line.png") as saved:
        assert saved.size == (450, 300)


def test_sections_stand_as_they_are_between_tables_and_settings():
    html = rendered("T", tables=[TABLE], sections=[Markup("<section>more</section>")], settings={"seed": 3})
    assert html.index("a note") < html.index("<section>more</section>") < html.index("<h2>Settings")
