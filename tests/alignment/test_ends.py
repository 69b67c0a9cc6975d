"""Rows that cannot be read, paired at their ends, with what pads between these."""

from uncollapse.alignment import ALONE, pair_ends


def test_a_template_goes_on_after_the_padding():
    prompt, twin = [9, 1, 50, 51, 2, 0, 0, 7, 8], [9, 1, 60, 2, 0, 0, 0, 7, 8]
    found = pair_ends(prompt, twin, pads=[0], one_phrase=True, inner_padding=True)
    assert found == [0, 1, 2, 2, 3, 4, 6, 7, 8]
    found = pair_ends(prompt, [*twin[:-1], 6], pads=[0], inner_padding=True)
    assert found == [0, 1, *[ALONE] * 4, 6, ALONE, ALONE]  # another template: of the end, the padding alone


def test_what_pads_may_be_a_word_of_the_prompt():
    prompt, twin = [9, 1, 50, 51, 0, 0, 7, 8], [9, 1, 60, 0, 0, 7, 8, 6]  # both cut off
    assert pair_ends(prompt, twin, pads=[0], one_phrase=True) == [0, 1, *[ALONE] * 6]


def test_of_rows_that_may_be_cut_off_only_a_mark_ends_both():
    prompt, twin = [9, 1, 50, 2, 5, 3], [9, 1, 60, 5, 4, 3]  # the last may be two words that read alike
    assert pair_ends(prompt, twin, pads=[0]) == [0, 1, *[ALONE] * 4]
    assert pair_ends(prompt, twin, pads=[0], marks=[9, 3]) == [0, 1, *[ALONE] * 3, 5]
