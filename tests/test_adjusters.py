"""The seam itself: what is registered, what an adjuster need not say, and TEA as one."""

from dataclasses import dataclass

import pytest
import torch

from toys.adjusters import Projection, Watching, Weighting
from uncollapse import Adjustment, AdjustmentError, adjust
from uncollapse.adjusters import ADJUSTERS, Adjuster, ByRole, Places, Role, registered

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

    assert Plain().levels == {"token", "prompt"}
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


ROLES = torch.tensor([[3, 3, 2, 1, 1], [3, 2, 1, 0, 3]], dtype=torch.int8)
PLACES = Places(ROLES, ROLES > 0)


@pytest.mark.parametrize(
    "norm_rule", [{}, {"beta": 1.0}, {"beta": None}, {"beta": None, "norm_blend": 0.3}], ids=str
)
def test_each_role_follows_its_own_alpha(norm_rule):
    alphas = {Role.CONCEPT: 0.1, Role.CONTEXT: 1.0, Role.REST: 0.7}
    found = Adjustment(ByRole(*alphas.values()), **norm_rule).adjust(V, C, PLACES)
    for role, alpha in alphas.items():
        assert torch.equal(
            found[role == ROLES], adjust(V, C, alpha, **{"beta": 1.5} | norm_rule)[role == ROLES]
        )
    assert torch.equal(found[ROLES == Role.NONE], V[ROLES == Role.NONE])


def test_one_alpha_for_every_role_is_the_single_alpha():
    assert torch.equal(
        Adjustment(ByRole(0.3, 0.3, 0.3)).adjust(V, C, PLACES), Adjustment(0.3).adjust(V, C, PLACES)
    )


def test_a_role_of_0_keeps_its_bits_and_1_gives_the_anchors():
    found = Adjustment(ByRole(0, 1, 0), beta=1.0).adjust(V, C, PLACES)
    assert torch.equal(found[ROLES != Role.CONTEXT], V[ROLES != Role.CONTEXT])
    torch.testing.assert_close(found[ROLES == Role.CONTEXT], C[ROLES == Role.CONTEXT])


def test_by_role_is_shared_scheduled_and_named():
    one, two = Adjustment(ByRole(0, 1, 0.5), beta=1.0), Adjustment(0.4, beta=1.0)
    mean = one.shared([two]).adjust(V, C, PLACES)
    expected = {
        Role.CONCEPT: adjust(V, C, 0.2, beta=None, norm_blend=0.5),  # of v's own norm and of the anchor's
        Role.CONTEXT: adjust(V, C, 0.7, beta=1.0),
        Role.REST: adjust(V, C, 0.45, beta=1.0),
    }
    for role, vectors in expected.items():
        torch.testing.assert_close(mean[role == ROLES], vectors[role == ROLES])
    assert one.weakened(0.5).alpha == ByRole(0, 0.5, 0.25)
    assert one.label == "TEA α 0/1/0.5"
    assert one.settings()["alpha"] == {"concept": 0, "context": 1, "rest": 0.5}
    assert (one.levels, two.levels) == ({"prompt"}, {"prompt", "token"})


@pytest.mark.parametrize(
    "alphas", [(-0.1, 0, 0), (0, 1.1, 0), (0, 0, float("nan")), (0, "1", 0), (True, 0, 0)]
)
def test_a_role_out_of_range_is_refused(alphas):
    with pytest.raises(AdjustmentError, match=r"Adjustment\(\): alpha"):
        Adjustment(ByRole(*alphas))


@pytest.mark.parametrize("text", ["", "0/1", "0/1/1/1", "a/b/c", "0,1,1"])
def test_what_is_not_by_role_is_not_read_so(text):
    with pytest.raises(ValueError, match=r"CONCEPT/CONTEXT/REST|could not convert"):
        ByRole.parsed(text)


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
