"""Adjusters that need a vector's neighbours, or its role, through apply().

The judge knows by hand where each layout has the prompt's words, and has the plain pipeline encode the prompt
and its twin, whose tokens stand in the same places. It goes over the vectors one by one, in numpy's float64.
"""

import numpy as np
import pytest
import torch

import uncollapse as uc
from toys.adjusters import Projection, Weighting
from toys.layouts import LAYOUTS, encode_any
from toys.pipelines import encode
from uncollapse.adjusters import Adjuster
from uncollapse.adjustment import turn_and_scale
from uncollapse.pipelines.encode_step import tensors_in
from uncollapse.pipelines.encoded import Encoded, bits_of

PROMPT, TWIN = "a sks cat near carved man in snow", "a big dog near small hat in snow"
WORDS = ".00.11.."  # the context, or which concept
PLACES = {
    "P N": 1,
    "P N p n, two CLIPs side by side": 1,
    "P p ids": 0,
    "P M, template, unpadded": 86,
    "lists of matrices": 6,
    "layers first": 0,
}
"""Where the prompt's first word is in each layout's rows of tokens."""


def projected(row, anchor, concept_at, context_at, strength):
    direction = sum(row[i] - anchor[i] for i in concept_at)
    direction = direction / np.sqrt((direction**2).sum())
    out = row.copy()
    for i in context_at:
        out[i] = row[i] - strength * (row[i] @ direction) * direction
    return out


def weighted(row, weights):
    """``weights``: by place."""
    out = row.copy()
    for i, weight in weights.items():
        out[i] = weight * row[i]
    return out


def judged(name, plain, twin, judge):
    """``judge(row, its twin)`` for every row of tokens that differs; everything else as it is."""
    expected = []
    for own, other in zip(plain, twin, strict=True):
        shape, own, other = own.shape, own.double().numpy(), other.double().numpy()
        if len(shape) < 3 and not (len(shape) == 2 and "matrices" in name):
            expected.append(own)
            continue
        rows = zip(own.reshape(-1, *shape[-2:]), other.reshape(-1, *shape[-2:]), strict=True)
        expected.append(
            np.stack([one if (one == two).all() else judge(one, two) for one, two in rows]).reshape(shape)
        )
    return expected


@pytest.fixture(params=PLACES, ids=[name.replace(" ", "-") for name in PLACES])
def layout(request):
    """(name, pipeline, places of each concept's tokens, places of the context)."""
    begin = PLACES[request.param]
    concepts = [[begin + i for i, word in enumerate(WORDS) if word == str(number)] for number in range(2)]
    context = [begin + i for i, word in enumerate(WORDS) if word == "."]
    return request.param, LAYOUTS[request.param](), concepts, context


def check(layout, concepts, prompt, twin, judge):
    name, pipe, *_ = layout

    def encoded(text):  # with a list of its own, since some pipelines write into it
        return tensors_in(encode_any(pipe, ["a red hat near a bridge on the beach", text], "sks cat"))

    plain, anchor = encoded(prompt), encoded(twin)
    with uc.apply(pipe, concepts):
        adjusted = encoded(prompt)
    moved = 0
    for own, new, wanted in zip(plain, adjusted, judged(name, plain, anchor, judge), strict=True):
        np.testing.assert_allclose(new.double().numpy(), wanted, atol=1e-5)
        unmoved = torch.from_numpy(wanted == own.double().numpy())
        assert torch.equal(new[unmoved], own[unmoved])
        moved += int((~unmoved).sum())
    assert moved


def test_a_projection_of_one_concept(layout):
    *_, (at, _), context = layout
    twin = PROMPT.replace("sks cat", "big dog")
    others = [*context, *(layout[2][1])]  # the second placeholder is a word like any other
    concept = uc.Concept("sks cat", "big dog", adjuster=Projection(0.7))
    check(layout, [concept], PROMPT, twin, lambda row, anchor: projected(row, anchor, at, others, 0.7))


def test_a_projection_of_two_concepts_takes_both_out(layout):
    *_, (first, second), context = layout
    concepts = [
        uc.Concept("sks cat", "big dog", adjuster=Projection()),
        uc.Concept("carved man", "small hat", adjuster=Projection()),
    ]
    at = [*first, *second]
    check(layout, concepts, PROMPT, TWIN, lambda row, anchor: projected(row, anchor, at, context, 1))


def test_weights_of_two_concepts_each_on_its_own_words(layout):
    *_, (first, second), _ = layout
    concepts = [
        uc.Concept("sks cat", "big dog", adjuster=Weighting(2.0)),
        uc.Concept("carved man", "small hat", adjuster=Weighting(0.5)),
    ]
    weights = dict.fromkeys(first, 2.0) | dict.fromkeys(second, 0.5)
    check(layout, concepts, PROMPT, TWIN, lambda row, _: weighted(row, weights))


def test_what_an_adjuster_returns_is_used_only_where_it_may_move(pipe):
    class Everywhere(Adjuster):
        def adjust(self, row, anchor, places):
            return torch.full_like(row, 7.0)

    plain = encode(pipe, ["a red hat", PROMPT])
    with uc.apply(pipe, "sks cat", anchor="dog", adjuster=Everywhere()):
        adjusted = encode(pipe, ["a red hat", PROMPT])
    assert torch.equal(adjusted[0][0], plain[0][0])
    assert torch.equal(adjusted[1], plain[1])
    assert (adjusted[0][1] == 7).all()


def test_memory_counts_roles_and_owners_and_what_is_held_twice_once():
    result, other = torch.zeros(2, 5, 8), torch.zeros(2, 3)
    roles = [torch.zeros(2, 5, dtype=torch.int8), torch.zeros(2, dtype=torch.int8)]
    owners = [torch.zeros(2, 5, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)]
    encoded = Encoded([result, other], [result.clone(), other], roles, owners)
    assert encoded.nbytes == 2 * 320 + 24 + 10 + 2 + 80 + 16
    assert not encoded.changes


def test_vectors_of_any_build_are_the_formula_bit_for_bit():
    """Pooled vectors, a lone vector, matrices, rows: in which shape they go to TEA makes no difference."""
    generator = torch.Generator().manual_seed(0)
    concepts = [uc.Concept("a", "b", alpha=0.3), uc.Concept("c", "d", alpha=0.7, beta=None)]
    mixed = concepts[0].adjuster.shared([concepts[1].adjuster])
    for shape in ((8,), (3, 8), (5, 8), (2, 3, 5, 8)):
        own, anchor = (torch.randn(shape, generator=generator) for _ in range(2))
        owners = torch.randint(4, shape[:-1], generator=generator)
        roles = torch.where(owners > 0, torch.randint(1, 4, shape[:-1], generator=generator), 0).to(
            torch.int8
        )
        expected = own
        for bits, weights in ((1, (0.3, 0.0, 1.5)), (2, (0.7, 1.0, 0.0)), (3, (0.5, 0.5, 0.75))):
            moved = turn_and_scale(own, anchor, *weights)
            expected = torch.where((owners == bits)[..., None], moved, expected)
        found = Encoded([own], [anchor], [roles], [owners]).adjusted(concepts)
        assert torch.equal(found[0], expected)
    assert bits_of((0, 1)) == 3
    assert set(mixed.weights) == {(0.5, 0.5, 0.75)}  # of every role
