"""The photos' prompts: read in the photos' order, and what is wrong with a line said with its number."""

import json

import pytest

from toys.trainings import make_photos, write_captions
from uncollapse.errors import FileFormatError, TrainingError
from uncollapse.training.captions import read_captions

GOOD = {"0.png": "a cat <R> a stone", "1.png": "dog <r> hat", "2.png": "a photo of a man <R> a car"}


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos")


def test_they_are_in_the_order_of_the_photos(photos):
    write_captions(photos, dict(reversed(GOOD.items())))
    assert read_captions(photos, "<R>") == list(GOOD.values())


def test_what_other_tools_write_is_read(photos):
    """A byte-order mark, an empty line, further fields, letters of other languages."""
    lines = [{"file_name": name, "text": f"{text} à", "width": 20} for name, text in GOOD.items()]
    text = "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (photos / "metadata.jsonl").write_text(text, encoding="utf-8-sig")
    assert read_captions(photos, "<R>") == [f"{text} à" for text in GOOD.values()]


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ('{"file_name": "2.png"', FileFormatError, "is not like"),
        ('{"file_name": "2.png"}', FileFormatError, "is not like"),
        ('["2.png"]', FileFormatError, "is not like"),
        ("[" * 10**5, FileFormatError, "is not like"),
        ('{"file_name": "2.png", "text": 3}', FileFormatError, "must be texts"),
        ('{"file_name": "7.png", "text": "a cat <R> a hat"}', FileFormatError, "'7.png' is no photo"),
        ('{"file_name": "1.png", "text": "a cat <R> a hat"}', FileFormatError, "had a prompt already"),
        ('{"file_name": "2.png", "text": "a cat in a hat"}', TrainingError, "does not hold '<R>'"),
        ('{"file_name": "2.png", "text": "<R> a hat"}', TrainingError, "no thing before"),
        ('{"file_name": "2.png", "text": "a cat <R>."}', TrainingError, "none after"),
    ],
)
def test_a_bad_line_is_named(photos, line, error, words):
    path = write_captions(photos, {name: GOOD[name] for name in ("0.png", "1.png")})
    path.write_text(path.read_text() + "\n" + line)
    with pytest.raises(error, match=words) as raised:
        read_captions(photos, "<R>")
    assert f"{path}, line 4" in str(raised.value)


def test_a_photo_without_a_prompt_is_named_and_so_is_a_folder_without_prompts(photos):
    with pytest.raises(FileFormatError, match=r"no readable metadata\.jsonl.*\"0\.png\".*<R>"):
        read_captions(photos, "<R>")
    write_captions(photos, {name: GOOD[name] for name in ("0.png", "2.png")})
    with pytest.raises(FileFormatError, match=r"no prompt for '1\.png'"):
        read_captions(photos, "<R>")
    (photos / "metadata.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match="in UTF-8"):
        read_captions(photos, "<R>")
