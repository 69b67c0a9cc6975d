"""What a wish makes of two figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncollapse.errors import AdjustmentError
from uncollapse.tuning import Keep

SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("balance", Keep()),
        ("likeness", Keep("likeness", 0.95)),
        (" Likeness 90% ", Keep("likeness", 0.9)),
        ("context 80", Keep("context", 0.8)),
        ("context 99.5%", Keep("context", 0.995)),
    ],
)
def test_wishes_are_read_as_they_are_written(text, wish):
    assert Keep.parsed(text) == wish
    assert Keep.parsed(str(wish)) == wish


@pytest.mark.parametrize("text", ["", "more", "likeness 0", "likeness 101%", "balance 50%", "likeness -5%"])
def test_what_is_no_wish_is_refused(text):
    with pytest.raises(AdjustmentError, match=r"likeness 95%"):
        Keep.parsed(text)


@given(SHARES, SHARES, SHARES, SHARES)
def test_a_balance_wants_more_of_both(context, likeness, more_context, more_likeness):
    better = Keep().value(max(context, more_context), max(likeness, more_likeness))
    assert better >= Keep().value(context, likeness)
    assert Keep().value(context, likeness) == Keep().value(likeness, context)


@given(SHARES, SHARES, SHARES, st.floats(0.1, 1))
def test_where_a_wish_is_met_the_other_decides(one, other, held, share):
    wish = Keep("likeness", share)
    if held >= share:
        assert wish.met(one, held)
        assert (wish.value(one, held) >= wish.value(other, held)) == (one >= other)
    else:
        assert not wish.met(one, held)
        assert wish.value(one, held) < wish.value(one, share)
