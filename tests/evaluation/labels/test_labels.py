"""People's ratings: a page that tells them nothing of the arms, and what becomes of what it saved."""

import json
import re

import pytest

from toys.outline import Outline
from toys.vlm import make_run
from uncollapse.errors import EvaluationError, FileFormatError
from uncollapse.evaluation.judging import RUBRICS, Subject, items
from uncollapse.evaluation.labels import (
    Ratings,
    chosen,
    label_id,
    read_ratings,
    with_judge,
    with_people,
    write_label_page,
)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    cells = make_run(folder, folder / "photos")
    subjects = {
        name: Subject(name.removeprefix("my-"), tuple(sorted((folder / "photos" / name).iterdir())))
        for name in ("my-cat", "my-dog")
    }
    return items(cells, subjects, RUBRICS["v1"], folder)[0]


def test_as_many_of_each_arm_are_chosen_in_an_order_that_tells_nothing(asked):
    found = chosen(asked, 6)
    arms = [item.about[2] for item in found]
    assert sorted(arms) == ["TEA", "TEA", "base", "base", "personalised", "personalised"]
    assert found == chosen(asked[::-1], 6)
    assert len(chosen(asked, 120)) == 12


def test_the_page_holds_all_it_needs_and_no_arm(asked, tmp_path):
    page = write_label_page(chosen(asked, 6), tmp_path / "label.html")
    html = page.read_text(encoding="utf-8")
    outline = Outline(html)
    assert not [a for _, attributes in outline.tags for a in ("src", "href") if a in attributes]
    assert not re.search(r"https?://", html)
    for arm in ("personalised", "TEA", "LoRA", "base-"):
        assert arm not in html
    data = json.loads(re.search(r'id="labels-data">(.*?)</script>', html, re.DOTALL)[1])
    assert {each["id"] for each in data["items"]} == {label_id(item) for item in chosen(asked, 6)}
    assert {name for each in data["items"] for name in (each["picture"], *each["photos"])} == {
        *data["pictures"]
    }
    assert {"a photo of cat in the snow"} <= {each["text"] for each in data["items"]}


def test_without_pictures_there_is_nothing_to_rate(tmp_path):
    with pytest.raises(EvaluationError, match="no pictures to rate"):
        write_label_page([], tmp_path / "label.html")


def test_what_was_saved_is_read_and_anything_else_refused(tmp_path):
    path = tmp_path / "ratings.json"
    saved = {"page": "p", "rater": "7", "grades": {"prompt": {"a": 4}, "image": {"a": 0, "b": 2}}}
    path.write_text(json.dumps(saved), encoding="utf-8")
    assert read_ratings(path) == Ratings("7", {"prompt": {"a": 4}, "image": {"a": 0, "b": 2}})
    for odd in (5, True, "4", None):
        path.write_text(json.dumps(saved | {"grades": {"prompt": {"a": odd}, "image": {}}}), encoding="utf-8")
        with pytest.raises(FileFormatError, match="holds no ratings: a grade is 0 to 4"):
            read_ratings(path)
    for text in ("[]", "{}", "nonsense"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(FileFormatError, match="holds no ratings"):
            read_ratings(path)


def test_people_agree_with_each_other_and_with_a_judge():
    one = Ratings("one", {"prompt": {"a": 4, "b": 0, "c": 2}, "image": {"a": 1, "b": 4}})
    two = Ratings("two", {"prompt": {"a": 4, "b": 0, "d": 2}, "image": {"a": 4, "b": 1}})
    people = with_people([one, two])
    assert people["prompt"] == 1.0
    assert people["image"] < 0
    judge = with_judge([one, two], {"prompt": {"a": 4, "b": 0, "c": 2, "d": 2}, "image": {"a": 1, "b": 4}})
    assert judge["prompt"] == 1.0
    assert judge["image"] == pytest.approx((1 + people["image"]) / 2)


def test_ratings_of_another_run_are_refused():
    stranger = Ratings("one", {"prompt": {"x": 4}, "image": {}})
    with pytest.raises(EvaluationError, match="None of the pictures that 'one' rated was judged"):
        with_judge([stranger], {"prompt": {"a": 4}, "image": {}})
