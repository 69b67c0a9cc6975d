"""The drift subspace, its basis and its projection redone in numpy's float64."""

import numpy as np
import pytest
import torch

import uncollapse as uc
from toys.counting import count_encodes
from toys.pipelines import encode
from toys.rows import PLACES, ROLES, C, V
from uncollapse.adjusters import Places, Role
from uncollapse.pipelines import cache
from uncollapse.rivals import Lerp, Subspace

PROMPT = "a photo of sks cat in the snow"
TWIN = PROMPT.replace("sks cat", "big dog")


def encoded(pipe, text):
    return encode(pipe, text)[0][0].double().numpy()


def basis(pipe, rank):
    """Of the words of every context, and of each context's mean of BOS, EOS and padding."""
    rows = []
    for context in Subspace.contexts:
        text, twin = (context.replace("{}", name) for name in ("sks cat", "big dog"))
        drift = encoded(pipe, text) - encoded(pipe, twin)
        end = len(pipe.tokenizer(text, truncation=True).input_ids) - 1
        rows += [*drift[1:end], np.concatenate([drift[:1], drift[end:]]).mean(0)]
    return np.linalg.svd(np.stack(rows))[2][:rank]


@pytest.mark.parametrize(("rank", "alpha"), [(3, 1.0), (1, 0.4)])
def test_it_takes_back_the_drift_that_the_concept_has_everywhere(pipe, rank, alpha):
    v, c, B = encoded(pipe, PROMPT), encoded(pipe, TWIN), basis(pipe, rank)
    with uc.apply(pipe, "sks cat", anchor="big dog", adjuster=Subspace(rank, alpha)):
        found, negative = encode(pipe, PROMPT, "sks cat")
    np.testing.assert_allclose(found[0], v - alpha * (v - c) @ B.T @ B, atol=1e-4)
    assert torch.equal(negative, encode(pipe, PROMPT, "sks cat")[1])


def test_of_full_rank_it_is_the_straight_line(pipe):
    with uc.apply(pipe, "sks cat", anchor="big dog", adjuster=Subspace(rank=32, alpha=0.3)):
        found = encode(pipe, PROMPT)[0]
    with uc.apply(pipe, "sks cat", anchor="big dog", adjuster=Lerp(0.3)):
        torch.testing.assert_close(encode(pipe, PROMPT)[0], found, atol=1e-5, rtol=0)


def test_it_is_fitted_once(pipe, monkeypatch):
    with uc.apply(pipe, "sks cat", anchor="big dog", adjuster=Subspace()):
        encode(pipe, PROMPT)
        cache.clear(pipe)
        read = count_encodes(pipe, monkeypatch)
        encode(pipe, "sks cat near a bridge")
    assert len(read) == 3  # the prompt, the same with the anchor, and the negative one


def test_a_role_of_0_keeps_its_bits():
    found = Subspace(2, uc.ByRole(0, 1, 1)).fitted([(V, C, PLACES)]).adjust(V, C, PLACES)
    moved = (found != V).any(-1)
    assert torch.equal(moved, (ROLES == Role.CONTEXT) | (ROLES == Role.REST))


def test_two_concepts_share_the_directions_of_both():
    one, two = (Subspace(1).fitted([(x, C, PLACES)]) for x in (V, V.flip(-1)))
    B = np.concatenate([each.bases[8].numpy() for each in (one, two)]).astype(float)
    Q, _ = np.linalg.qr(B.T)
    found = one.shared([two]).adjust(V, C, PLACES)
    np.testing.assert_allclose(found, V.numpy() - (V - C).double().numpy() @ Q @ Q.T, atol=1e-5)
    with pytest.raises(uc.AdjustmentError, match=r"Drift subspace and TEA α 0.2 cannot share"):
        one.shared([uc.Adjustment()])
    assert one.weakened(0.5).alpha == 0.5


def test_what_it_is_called_and_what_it_cannot_do():
    assert Subspace(4, 0.5).label == "Drift subspace 4 α 0.5"
    assert Subspace(4, 0.5).weakened(0.5) == Subspace(4, 0.25)
    with pytest.raises(uc.AdjustmentError, match="does not know the concept's drift yet"):
        Subspace().adjust(V, C, Places.all(Role.REST, V))
    with pytest.raises(uc.AdjustmentError, match=r"Subspace\(\): rank=0"):
        Subspace(0)
    with pytest.raises(uc.AdjustmentError, match=r"Subspace\(\): alpha=-1"):
        Subspace(alpha=-1)
