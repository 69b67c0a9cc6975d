"""The checkpoint to keep: the one that buys neither context nor likeness with the other."""

import pytest

from toys.comparisons import made_up
from toys.diagnoses import training_of
from uncollapse.diagnosis.keeping import best_kept, kept_sentence
from uncollapse.diagnosis.training_report import training_json, training_page

HEARD = [0.9, 0.8, 0.3]


def trained(*kept):
    """A checkpoint each, of ten pictures an arm: (context, likeness) as it is and with TEA α 0.4."""
    pictures = [made_up({"personalised": plain, "TEA α 0.4": adjusted}) for plain, adjusted in kept]
    return training_of(HEARD[: len(kept)], pictures)


@pytest.mark.parametrize(
    ("kept", "name"),
    [
        ([((10, 5), (10, 0)), ((7, 7), (9, 2)), ((1, 10), (5, 6))], "step 100"),  # though less in all
        ([((10, 0), (10, 0)), ((2, 9), (6, 8)), ((0, 10), (3, 9))], "step 100 with TEA"),
        ([((7, 7), (7, 7)), ((7, 7), (7, 7))], "step 0"),  # of equals as it is, and the earliest
        ([((7, 7), (7, 7)), ((7, 9), (7, 7))], "step 100"),  # the same at worst, and more besides
    ],
)
def test_it_is_the_one_whose_worse_is_best(kept, name):
    assert best_kept(trained(*kept)).name == name


def test_the_best_as_it_is_is_named_beside_one_that_is_adjusted():
    found = trained(((10, 0), (10, 0)), ((4, 8), (6, 8)), ((0, 10), (3, 9)))
    assert best_kept(found, adjusted=False).name == "step 100"
    assert kept_sentence(found) == (
        "Of 5 prompts × 2 seeds each, step 100 with TEA keeps the most: context kept 60% [31–83], likeness "
        "kept 80% [49–94]. Even there it is dominating, by its pictures. As it is, the best is step 100: "
        "context kept 40% [17–69], likeness kept 80% [49–94]."
    )
    assert training_json(found)["keep"]["arm"] == "TEA α 0.4"


def test_of_other_scores_each_is_taken_from_its_lowest_to_its_highest():
    """CLIP's cosines of contexts and of photos have scales of their own."""
    scores = [(20.0, 60.0), (19.0, 75.0), (10.0, 80.0)]
    found = training_of(HEARD, [made_up(clip={"personalised": each}) for each in scores])
    best = best_kept(found)
    assert (best.step, best.word) == (100, "")
    assert "S_T^p, context 19.0 [19.0–19.0], CLIP-I, photos 75.0 [75.0–75.0]" in kept_sentence(found)


def test_the_page_opens_with_it():
    page = training_page(trained(((9, 0), (10, 0)), ((8, 7), (9, 2))))
    assert page.index("<strong>Keep step 100</strong>, by the pictures") < page.index("class word")


@pytest.mark.parametrize("pictures", [None, [made_up(), made_up()]], ids=["not drawn", "not measured"])
def test_where_nothing_was_measured_it_is_not_known_and_said_to_be(pictures):
    found = training_of([0.9, 0.3], pictures)
    assert best_kept(found) is None
    assert training_json(found)["keep"] is None
    page = training_page(found)
    assert "<strong>Dominating at the last step, 100</strong>, by the denoiser" in page
    assert "Which checkpoint to keep is not known" in page
