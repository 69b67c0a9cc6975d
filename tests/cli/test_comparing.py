"""A comparison's files: those of another run are left alone."""

import json

from toys.comparisons import made_up
from uncollapse.cli.comparing import save_comparison

CLIP = {"personalised": (1.0, 2.0), "TEA α 0.2": (3.0, 4.0)}


def saved(folder, run, clip=CLIP):
    files = save_comparison(made_up(clip=clip), [], run, folder)
    assert list(files) == ["contact_sheet", "report", "results"]
    assert all(path.exists() for path in files.values())
    return [path.name for path in files.values()]


def test_another_runs_files_are_never_replaced_and_its_own_are(tmp_path):
    first = ["contact_sheet.png", "report.html", "results.json"]
    second = ["contact_sheet-2.png", "report-2.html", "results-2.json"]
    assert saved(tmp_path, {"β": 1.5}) == first
    before = {name: (tmp_path / name).read_bytes() for name in first}
    assert saved(tmp_path, {"β": float("inf"), "references": None}) == second
    assert {name: (tmp_path / name).read_bytes() for name in first} == before
    assert saved(tmp_path, {"β": float("inf"), "references": None}) == second
    assert saved(tmp_path, {"β": 1.5}, {**CLIP, "TEA α 0.2": (5.0, 6.0)}) == first
    assert json.loads((tmp_path / "results.json").read_text())["arms"][1]["scores"]["clip_i"]["mean"] == 6


def test_what_is_not_ours_is_not_replaced(tmp_path):
    (tmp_path / "results.json").write_text("[1]")
    (tmp_path / "report-2.html").write_text("mine")
    assert saved(tmp_path, {}) == ["contact_sheet-3.png", "report-3.html", "results-3.json"]
