"""What a judge is shown: everything that is to be judged, and nothing that says how it was drawn."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from toys.pictures import picture
from uncollapse.errors import EvaluationError, FileFormatError
from uncollapse.evaluation.judging import RUBRICS, controls, items, repeats, request
from uncollapse.evaluation.judging.items import pixels, shuffled
from uncollapse.output import save_png

V1 = RUBRICS["v1"]


def test_each_picture_is_asked_about_once_whatever_scores_it_has(pets):
    cells, subjects, folder = pets
    twice = [*cells, *(replace(cell, score="clip_i|toy") for cell in cells)]
    asked, missing = items(twice, subjects, V1, folder)
    assert len(asked) == 2 * len(cells) == 24
    assert missing == []
    assert {item.text for item in asked} >= {"a photo of cat in the snow", "a photo of dog in the desert"}
    assert {len(item.photos) for item in asked} == {0, 3}


def test_a_picture_that_is_not_there_is_missing_and_not_dropped(pets):
    cells, subjects, folder = pets
    asked, missing = items([replace(cells[0], picture=""), *cells[1:]], subjects, V1, folder)
    assert missing == [("my-cat", "LoRA", "base", "a photo of {} in the snow", 0)]
    assert len(asked) == 22


def test_a_concept_without_photos_is_named(pets):
    cells, subjects, folder = pets
    with pytest.raises(EvaluationError, match="Of 'my-dog' there are no photos"):
        items(cells, {"my-cat": subjects["my-cat"]}, V1, folder)


def test_nothing_that_is_sent_says_by_which_arm_it_was_drawn(tmp_path, asked):
    save_png(picture("red", 40), tmp_path / "TEA-secret.png", {"arm": "TEA-secret", "prompt": "x"})
    sent = str(request(replace(asked[0], picture=tmp_path / "TEA-secret.png"), V1, "eyes"))
    assert "secret" not in sent
    assert Image.open(io.BytesIO(pixels(tmp_path / "TEA-secret.png"))).info == {}
    for item in asked:
        sent = str(request(item, V1, "eyes").kept)
        assert not [arm for arm in ("base", "personalised", "TEA", "LoRA") if f"{arm}" in sent]


def test_pictures_are_not_squashed_and_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (1024, 512)).save(tmp_path / "a.jpg", exif=exif)
    assert Image.open(io.BytesIO(pixels(tmp_path / "a.jpg"))).size == (256, 512)
    (tmp_path / "b.png").write_bytes(b"none")
    with pytest.raises(FileFormatError, match=r"b.png' cannot be read as a picture"):
        pixels(tmp_path / "b.png")


def test_the_order_mixes_the_arms_and_repeats_itself(asked):
    arms = [item.about[2] for item in shuffled(asked)]
    assert arms == [item.about[2] for item in shuffled(asked[::-1])]
    assert arms != [item.about[2] for item in shuffled(asked, seed=1)]
    assert arms != [item.about[2] for item in asked]
    elsewhere = [replace(item, picture=Path("/elsewhere") / item.picture.name) for item in asked]
    assert arms == [item.about[2] for item in shuffled(elsewhere)]


def test_a_request_is_known_by_what_is_asked_and_not_by_names(tmp_path, asked):
    item, copy = asked[0], tmp_path / "other.png"
    copy.write_bytes(item.picture.read_bytes())
    key = request(item, V1, "eyes").key
    assert request(replace(item, picture=copy), V1, "eyes").key == key
    others = [
        request(item, V1, "other eyes"),
        request(replace(item, text="else"), V1, "eyes"),
        request(replace(item, repeat=1), V1, "eyes"),
        request(replace(item, picture=asked[2].picture), V1, "eyes"),
        request(item, replace(V1, name="v2"), "eyes"),
    ]
    assert len({key, *(other.key for other in others)}) == 6


def test_controls_are_pairs_that_are_known(pets, asked):
    found = controls(asked, pets[1], V1)
    kinds = [pair.kind for pair in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "prompt of another picture": 4,
        "another subject's photo": 2,
        "base model's picture": 2,
    }
    for pair in found:
        assert pair.higher.about is pair.lower.about is None
        if pair.kind == "prompt of another picture":
            assert pair.higher.picture == pair.lower.picture
            assert pair.higher.text != pair.lower.text
        else:
            assert pair.higher.photos == pair.lower.photos
            assert pair.higher.picture not in pair.higher.photos


def test_a_twentieth_is_asked_again_and_ten_at_least(asked):
    groups = repeats(asked)
    assert len(groups) == 10
    assert [[item.repeat for item in group] for group in groups] == [[0, 1, 2]] * 10
