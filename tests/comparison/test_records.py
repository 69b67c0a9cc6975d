"""Pictures are on disk, bit for bit, and gone when nobody has the comparison any more."""

import gc
from dataclasses import replace

import numpy as np
from PIL import Image

from toys.comparisons import made_up
from uncollapse.comparison import PERSONALISED, Album
from uncollapse.metrics import SCORES


def noise(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_a_picture_comes_back_as_it_was():
    album = Album()
    files = [album.keep(noise(i), PERSONALISED, "a cat", 0, i) for i in range(3)]
    for i, file in enumerate(files):
        record = replace(made_up().records[0], file=file)
        assert record.image.mode == "RGB"
        assert np.array_equal(record.image, noise(i))


def test_a_temporary_album_lives_as_long_as_its_comparison():
    comparison = made_up()
    file = comparison.records[0].file
    part = replace(comparison, records=comparison.records[:1])
    del comparison
    gc.collect()
    assert part.records[0].image.size == (32, 32)
    del part
    gc.collect()
    assert not file.parent.exists()


def test_scores_are_listed_as_in_the_tables():
    names = [score.name for score in made_up({"personalised": (2, 9)}, {"personalised": (3, 4)}).scores]
    assert names == [name for name in SCORES if name in names]
    assert len(names) == 4
