"""The seam itself: what is registered, what an adjuster need not say, and TEA as one."""

from dataclasses import dataclass

import pytest
import torch

from toys.adjusters import Projection, Watching, Weighting
from uncollapse import Adjustment, AdjustmentError, adjust
from uncollapse.adjusters import ADJUSTERS, Adjuster, Places, Role, registered

V, C = torch.randn(2, 2, 5, 8, generator=torch.Generator().manual_seed(0))


def test_the_papers_is_the_first_and_is_known_by_its_name():
    assert next(iter(ADJUSTERS)) == "tea"
    assert ADJUSTERS["tea"] is Adjustment
    assert (Adjustment.name, Adjustment.title) == ("tea", "TEA")


def test_whoever_registers_one_is_known_by_its_name(monkeypatch):
    monkeypatch.setitem(ADJUSTERS, "mine", Weighting)  # which takes it out again afterwards

    @registered
    @dataclass(frozen=True)
    class Mine(Weighting):
        name = "mine"

    assert ADJUSTERS["mine"](3.0) == Mine(3.0)
    assert list(ADJUSTERS)[-1] == "mine"


def test_what_is_not_said_of_an_adjuster():
    class Plain(Adjuster):
        def adjust(self, row, anchor, places):
            return row

    assert Plain.levels == {"token", "prompt"}
    assert Plain().label == "Plain"
    assert Projection().label == "Projection"
    with pytest.raises(TypeError, match="abstract"):
        Adjuster()


def test_two_share_words_only_when_they_are_the_same():
    assert Projection(0.5).shared([Projection(0.5)] * 2) == Projection(0.5)
    for one, other in ((Projection(), Projection(0.5)), (Projection(), Adjustment())):
        with pytest.raises(AdjustmentError, match=f"{one.label} and {other.label} cannot share"):
            one.shared([one, other])
    with pytest.raises(AdjustmentError, match=r"TEA α 0\.2 and Projection cannot share"):
        Adjustment().shared([Adjustment(0.4), Projection()])


def test_one_without_strength_follows_no_schedule():
    with pytest.raises(AdjustmentError, match=r"Projection has no strength.*schedule"):
        Projection().weakened(0.5)
    assert Weighting(3.0).weakened(0.5) == Weighting(2.0)


@pytest.mark.parametrize(
    "settings",
    [{}, {"alpha": 0.7, "beta": None}, {"alpha": 1, "beta": 2}, {"beta": None, "norm_blend": 0.3}],
    ids=str,
)
@pytest.mark.parametrize("role", list(Role))
def test_the_papers_adjuster_is_adjust_whatever_the_role(settings, role):
    adjusted = Adjustment(**settings).adjust(V, C, Places.all(role, V))
    assert torch.equal(adjusted, adjust(V, C, **settings))


def test_the_papers_adjuster_moves_what_is_its_own():
    mine = torch.tensor([[True, False, True, False, False], [False] * 5])
    places = Places(torch.full((2, 5), Role.REST, dtype=torch.int8), mine)
    assert torch.equal(Adjustment().adjust(V, C, places), adjust(V, C, mask=mine))


def test_the_papers_adjusters_share_by_the_mean_of_their_settings():
    one, two = Adjustment(alpha=0.2, beta=1.0), Adjustment(alpha=0.6, beta=None)
    places = Places.all(Role.CONTEXT, V)
    found = one.shared([two]).adjust(V, C, places)
    torch.testing.assert_close(found, adjust(V, C, alpha=0.4, beta=None, norm_blend=0.5))
    assert torch.equal(two.shared([one]).adjust(V, C, places), found)
    assert torch.equal(one.shared([one]).adjust(V, C, places), one.adjust(V, C, places))
    assert one.weakened(0.5) == Adjustment(alpha=0.1, beta=1.0)
    assert one.label == "TEA α 0.2"


def test_all_places_are_in_one_role_and_ones_own():
    places = Places.all(Role.CONCEPT, V)
    assert places.role.shape == places.mine.shape == (2, 5)
    assert places.role.dtype == torch.int8
    assert (places.role == Role.CONCEPT).all()
    assert places.mine.all()


def test_adjusters_are_equal_by_their_settings():
    assert Watching() == Watching()
    assert hash(Adjustment()) == hash(Adjustment())
    assert Adjustment() != Weighting()
