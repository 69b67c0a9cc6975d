"""DECOR's projection, by a QR decomposition in numpy's float64."""

import numpy as np
import pytest
import torch

import uncollapse as uc
from toys.pipelines import encode
from toys.rows import PLACES, ROLES, C, V
from uncollapse.adjusters import Places, Role
from uncollapse.rivals import Decor

PROMPT, TWIN = "the sks cat near carved man in snow", "the big dog near small hat in snow"


def judged(X, C, concept, alpha):
    """X − α X Q Qᵀ, Q of the concept's vectors less their anchors; ``alpha`` a number for each row of X."""
    Q, _ = np.linalg.qr((X - C)[concept].T)
    return X - np.asarray(alpha)[:, None] * (X @ Q @ Q.T)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("alpha", [1.0, 0.4, uc.ByRole(0, 1, 0.5)], ids=str)
def test_it_takes_out_the_directions_of_the_concepts_own_drift(dtype, alpha):
    x, c = V.to(dtype), C.to(dtype)
    found = Decor(alpha).adjust(x, c, PLACES)
    for i, roles in enumerate(ROLES.tolist()):
        shares = [alpha.of(Role(role)) if isinstance(alpha, uc.ByRole) else alpha for role in roles]
        own = [role == Role.CONCEPT for role in roles]
        expected = judged(x[i].double().numpy(), c[i].double().numpy(), own, shares)
        atol = 20 * torch.finfo(dtype).eps
        np.testing.assert_allclose(found[i].double().numpy(), expected, atol=atol, rtol=1e-3)
    assert found.dtype == dtype


def test_alpha_0_and_a_row_without_the_concept_keep_their_bits():
    assert torch.equal(Decor(0.0).adjust(V, C, PLACES), V)
    assert torch.equal(Decor(uc.ByRole(0, 0, 0)).adjust(V, C, PLACES), V)
    assert torch.equal(Decor().adjust(V, C, Places.all(Role.REST, V)), V)  # as a pooled vector is
    assert torch.equal(Decor().adjust(V, V, PLACES), V)  # nothing drifted


def test_two_concepts_in_a_prompt_take_the_directions_of_both(pipe):
    concepts = [uc.Concept("sks cat", "big dog", adjuster=Decor()), uc.Concept("carved man", "small hat")]
    plain, twin = (encode(pipe, text)[0][0].double().numpy() for text in (PROMPT, TWIN))
    with uc.apply(pipe, [concepts[0], uc.Concept("carved man", "small hat", adjuster=Decor())]):
        found = encode(pipe, PROMPT)[0][0]
    np.testing.assert_allclose(found, judged(plain, twin, [2, 3, 5, 6], np.ones(len(plain))), atol=1e-5)
    with (
        uc.apply(pipe, concepts),
        pytest.raises(uc.AdjustmentError, match=r"DECOR α 1 and TEA α 0.2 cannot share"),
    ):
        encode(pipe, PROMPT)


def test_what_it_is_called_and_what_is_left_of_it():
    assert Decor(uc.ByRole(0, 1, 1)).label == "DECOR α 0/1/1"
    assert Decor(0.6).weakened(0.5) == Decor(0.3)
    assert Decor(uc.ByRole(0, 1, 1)).weakened(0.5) == Decor(uc.ByRole(0, 0.5, 0.5))
    with pytest.raises(uc.AdjustmentError, match=r"Decor\(\): alpha=2"):
        Decor(2)
