"""The sheet shows every arm and prompt where it says it does; how it looks is for eyes (``make demo``)."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageColor

from toys.comparisons import made_up
from toys.pictures import picture
from toys.registries import as_it_was
from uncollapse.comparison.contact_sheet import GAP, LABEL_WIDTH, MARGIN, TILE, contact_sheet
from uncollapse.metrics import SCORES, Score, declare

KEPT = {"base": (10, 0), "personalised": (2, 9), "TEA α 0.2": (5, 9)}


def area(sheet, colour, box=None):
    """How many pixels have exactly this colour."""
    pixels = np.asarray(sheet.crop(box) if box else sheet)
    return int((pixels == ImageColor.getrgb(colour)).all(axis=-1).sum())


@pytest.mark.parametrize("shown", [2, 5])
def test_a_column_for_each_arm_and_a_row_for_each_prompt(shown):
    sheet = contact_sheet(made_up(KEPT), max_prompts=shown)
    for column, colour in enumerate(["orange", "firebrick", "seagreen"]):
        x = MARGIN + LABEL_WIDTH + column * (TILE + GAP)
        pictures = area(sheet, colour, (x, 0, x + TILE, sheet.height)) / TILE**2
        assert pictures == pytest.approx(shown, rel=0.02)  # but for rounded corners
        assert area(sheet, colour) == area(sheet, colour, (x, 0, x + TILE, sheet.height))


def test_reference_photos_are_shown_as_far_as_they_fit():
    without = contact_sheet(made_up(KEPT))
    assert area(without, "purple") == 0
    few, many = (contact_sheet(made_up(KEPT), [picture("purple")] * n) for n in (2, 50))
    assert 0 < area(few, "purple") < area(many, "purple")
    assert few.width == many.width == without.width
    assert area(many, "purple", (many.width - MARGIN, 0, many.width, many.height)) == 0


def test_the_first_seed_of_each_prompt_is_shown():
    comparison = made_up(KEPT)
    other = comparison.album.keep(picture("magenta"), comparison.arms[0], "", 0, 1)
    others = tuple(replace(r, file=other) if r.seed else r for r in comparison.records)
    assert area(contact_sheet(replace(comparison, records=others)), "magenta") == 0


def test_few_prompts_are_shown_with_all_their_seeds():
    whole = made_up(KEPT)
    few = tuple(record for record in whole.records if record.context in ("in scene 0", "in scene 1"))
    sheet = contact_sheet(replace(whole, prompts=whole.prompts[:2], records=few))
    assert area(sheet, "orange") / TILE**2 == pytest.approx(2 * 2, rel=0.02)


def test_judged_images_carry_marks_and_unjudged_ones_none():
    from uncollapse.comparison.contact_sheet import BAD, GOOD

    def marks(sheet, colour):
        return area(sheet, colour, (0, 300, sheet.width, sheet.height - 150))  # between heads and feet

    judged = contact_sheet(made_up({"personalised": (10, 0), "TEA α 0.2": (10, 10)}))
    unjudged = contact_sheet(made_up(clip={"personalised": (1, 2), "TEA α 0.2": (3, 4)}))
    assert marks(judged, GOOD) > 0
    assert marks(judged, BAD) > 0
    assert marks(unjudged, GOOD) == marks(unjudged, BAD) == 0


def test_a_comparison_without_scores_or_with_one_arm_is_drawn_too():
    assert contact_sheet(made_up()).height > 5 * TILE
    assert contact_sheet(made_up(clip={"personalised": (1, 2)})).width > TILE


def test_a_title_longer_than_the_sheet_is_wrapped_inside_it():
    sheet = contact_sheet(made_up(clip={"personalised": (1, 2)}))
    edge = np.asarray(sheet.crop((sheet.width - MARGIN + 2, 0, sheet.width, sheet.height)))
    assert (edge == 255).all()


def test_a_score_of_ones_own_has_a_figure_at_the_foot_and_a_mark_if_it_is_yes_or_no():
    from uncollapse.comparison.contact_sheet import GOOD

    def sheet_with(score):
        declare(score)
        made = made_up(clip={"personalised": (1, 2), "TEA α 0.2": (3, 4)})
        more = {score.name: False if score.share else 1.0}
        records = [replace(record, scores=record.scores | more) for record in made.records]
        return contact_sheet(replace(made, records=tuple(records)))

    usual = contact_sheet(made_up(clip={"personalised": (1, 2), "TEA α 0.2": (3, 4)}))
    with as_it_was(SCORES):
        foot = sheet_with(Score("warmth", "warmth", "kelvin", answers="quality"))
        hidden = sheet_with(Score("hidden", "hidden", "", answers="quality", on_sheet=False))
        fault = Score("fault", "with a fault", "%", "quality", higher_is_better=False, share=True)
        marked = sheet_with(fault)
    assert usual.height == hidden.height < foot.height < marked.height
    rows = (0, 300, marked.width, 1000)
    assert area(marked, GOOD, rows) > area(foot, GOOD, rows) == 0  # no fault is good
