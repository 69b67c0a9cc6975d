"""The page: pictures in it, or beside it, and nothing that a prompt could do to it."""

import base64
import io
import json
import re
from dataclasses import replace

import pytest
from PIL import Image

from toys.outline import Outline
from toys.pictures import picture
from uncollapse.evaluation import embedded
from uncollapse.evaluation.report import findings, gallery, write_page


def data_of(page):
    html = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="gallery-data">(.*?)</script>', html, re.DOTALL)[1])


@pytest.fixture
def page(evaluated, tmp_path):
    cells, folder = evaluated
    assert write_page(findings(cells, margin=2.0), folder, tmp_path / "report.html", {"seed": 3}) == 1
    return tmp_path / "report.html"


def test_it_holds_every_picture_beside_those_of_the_other_arms(page):
    data = data_of(page)
    assert data["arms"] == ["base", "personalised", "TEA α 0.2"]
    assert len(data["rows"]) == 2 * 3 * 2 * 2
    row = next(r for r in data["rows"] if (r["method"], r["concept"], r["seed"]) == ("LoRA", "dog", 1))
    small = base64.b64decode(row["pictures"][2]["small"].removeprefix("data:image/webp;base64,"))
    assert Image.open(io.BytesIO(small)).size == (16, 16)
    assert row["pictures"][2]["values"] == [15.3, None]
    assert row["prompt"] == "a photo of dog in the snow"
    assert row["gains"] == [pytest.approx(5.3), -80.0]


def test_a_picture_that_is_missing_or_cannot_be_read_stays_a_place(page):
    row = next(r for r in data_of(page)["rows"] if (r["method"], r["concept"], r["seed"]) == ("TI", "cat", 0))
    assert row["pictures"][1] == {"values": [10.0, 80.0]}
    assert row["pictures"][2]["small"] is None


def test_it_is_one_file_with_labels_on_all_controls(page):
    outline = Outline(page.read_text(encoding="utf-8"))
    assert [*page.parent.iterdir()] == [page]
    assert not [a for _, attributes in outline.tags for a in ("src", "href") if a in attributes]
    assert {"search"} == {each["type"] for each in outline.all("input") if "name" in each}
    for word in ("Search", "Concept", "Method", "Order", "Declared outcomes", "CLIP-T context", "seed"):
        assert word in outline.text


def test_of_many_pictures_small_copies_lie_beside_it(evaluated, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "IN_PAGE", 10)
    cells, folder = evaluated
    write_page(findings(cells), folder, tmp_path / "report.html", {})
    files = (tmp_path / "report_pictures").rglob("*.webp")
    beside = {path.relative_to(tmp_path).as_posix() for path in files}
    pictures = [p for row in data_of(tmp_path / "report.html")["rows"] for p in row["pictures"]]
    assert {p["small"] for p in pictures if p.get("small")} == beside
    assert len(beside) > 10


def test_large_pictures_are_shrunk_and_what_their_files_say_stays_out(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    says = PngInfo()
    says.add_text("path", "secret")
    picture("red", 400).save(tmp_path / "a.png", pnginfo=says)
    small = embedded.small(tmp_path / "a.png", 160)
    assert Image.open(io.BytesIO(small)).size == (160, 160)
    assert b"secret" not in small


def test_what_a_prompt_says_is_text(evaluated, tmp_path):
    cells, folder = evaluated
    evil = "</script><script>alert(1)</script><!-- {} \u2028 & \x07"
    odd = [replace(cell, prompt=evil + cell.prompt[:-4] * 2) for cell in cells[:24]]
    write_page(findings([*cells, *odd]), folder, tmp_path / "report.html", {})
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in html
    assert "<!-- " not in html
    assert any("</script>" in row["prompt"] for row in data_of(tmp_path / "report.html")["rows"])


def test_without_pictures_there_is_no_gallery(evaluated, tmp_path):
    cells = [replace(cell, picture="") for cell in evaluated[0]]
    write_page(findings(cells), tmp_path, tmp_path / "report.html", {})
    assert "gallery" not in (tmp_path / "report.html").read_text(encoding="utf-8")
