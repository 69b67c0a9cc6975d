"""A run of two pets with pictures and photos of the miniature's world."""

import pytest

from toys.vlm import make_run
from uncollapse.evaluation.judging import RUBRICS, Subject, items


@pytest.fixture(scope="package")
def pets(tmp_path_factory):
    """(cells, subjects, folder); nothing writes there."""
    folder = tmp_path_factory.mktemp("pets")
    cells = make_run(folder, folder / "photos")
    subjects = {
        name: Subject(name.removeprefix("my-"), tuple(sorted((folder / "photos" / name).iterdir())))
        for name in ("my-cat", "my-dog")
    }
    return cells, subjects, folder


@pytest.fixture
def asked(pets):
    cells, subjects, folder = pets
    return items(cells, subjects, RUBRICS["v1"], folder)[0]
