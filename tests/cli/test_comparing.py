"""A comparison's files: those of another run are left alone."""

import pytest

from toys.comparisons import made_up
from uncollapse.cli.comparing import free_files
from uncollapse.comparison.summary import as_json
from uncollapse.output import save_json

CLIP = {"personalised": (1.0, 2.0), "TEA α 0.2": (3.0, 4.0)}


@pytest.fixture
def saved(tmp_path):
    """Saves the results of a run; returns the names of all its files."""

    def save(run, clip=CLIP):
        data = as_json(made_up(clip=clip), run=run)
        files = free_files(tmp_path, data)
        save_json(data, files["results"])
        return [path.name for path in files.values()]

    return save


FIRST = ["contact_sheet.png", "report.html", "results.json"]
SECOND = ["contact_sheet-2.png", "report-2.html", "results-2.json"]


def test_another_runs_files_are_never_replaced_and_its_own_are(saved):
    assert saved({"β": 1.5}) == FIRST
    assert saved({"β": float("inf"), "references": None}) == SECOND
    assert saved({"β": float("inf"), "references": None}) == SECOND
    assert saved({"β": 1.5}, {**CLIP, "TEA α 0.2": (5.0, 6.0)}) == FIRST
    assert saved({"β": 1.5}, {"personalised": (1.0, 2.0)})[1] == "report-3.html"


def test_what_is_not_ours_is_not_replaced(saved, tmp_path):
    (tmp_path / "results.json").write_text("[1]")
    (tmp_path / "report-2.html").write_text("mine")
    assert saved({})[0] == "contact_sheet-3.png"
