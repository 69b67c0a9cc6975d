"""What each vector of a result stands for and whose it is, in every layout; and what finding out costs."""

import re

import pytest
import torch

import uncollapse as uc
from toys.adjusters import Watching
from toys.layouts import LAYOUTS, encode_any
from toys.pipelines import encode
from uncollapse.adjusters import Role
from uncollapse.errors import UncollapseError, UncollapseWarning
from uncollapse.pipelines import following

PROMPT, OTHER = "a photo of sks cat in the snow", "a red hat"
WORDS = "xxxCCxxx"
ROLES = {
    "P N": [f"R{WORDS}R+"],
    "P N p n, two CLIPs side by side": [f"R{WORDS}R+", "R"],
    "P N p n, CLIPs then T5": [f"R{WORDS}R{{15}}{WORDS}R{{56}}", "R"],
    "P p ids": [f"{WORDS}R+", "R"],
    "P N zero-padded": [f"{WORDS}R-+"],
    "P M N m": [f"{WORDS}R+"],
    "P M N m, template, cropped": [f"{WORDS}R+"],
    "P ids M N ids m, float masks": [f"{WORDS}R+"],
    "P M, template, unpadded": [f"R{{86}}{WORDS}R+"],
    "lists of matrices": [f"R{{6}}{WORDS}R+"],
    "list of matrices": [WORDS],
    "layers side by side": [f"R{{6}}{WORDS}R+"],
    "every layer, padded on the left": [f"R+{WORDS}"],
    "layers first": [f"{WORDS}R+", f"{WORDS}R+", "R"],
    "P p M, template cropped": [f"R{{5}}{WORDS}R+", "R"],
    "lists of layers": [WORDS] * 4,
    "vectors, states, mask": ["R", f"R{WORDS}R+"],
    "positive, negative, negative": [f"R{WORDS}R+"],
    "P p N n, pooled with a token axis": [f"R{WORDS}R+", "R"],
    "negative then positive": [f"{WORDS}R-+"],
}
"""x a word of the context, C one of the concept, R what no word stands for, - what follows none."""


def written(roles) -> str:
    letters = {Role.NONE: "-", Role.CONCEPT: "C", Role.CONTEXT: "x", Role.REST: "R"}
    return "".join(letters[role] for role in roles.tolist())


def rows_of(row, anchor, places) -> list[tuple[str, torch.Tensor]]:
    """(roles as letters, whose) of each row of tokens that an adjuster got."""
    assert places.role.dtype == torch.int8
    assert places.role.shape == places.mine.shape == row.shape[:-1]
    assert anchor.shape == row.shape
    tokens = row.shape[-2]
    roles, mine = places.role.reshape(-1, tokens), places.mine.reshape(-1, tokens)
    return list(zip(map(written, roles), mine, strict=True))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_vector_of_every_layout_has_its_role(name):
    pipe, watching = LAYOUTS[name](), Watching()
    with uc.apply(pipe, "sks cat", anchor="dog", adjuster=watching):
        encode_any(pipe, [OTHER, PROMPT], "sks cat")
    for pattern, given in zip(ROLES[name], watching.seen, strict=True):
        rows = rows_of(*given)
        ours = [roles for roles, _ in rows if set(roles) != {"-"}]
        assert ours
        assert all(re.fullmatch(pattern, roles) for roles in ours), (pattern, ours)
        assert all(mine.tolist() == [role != "-" for role in roles] for roles, mine in rows)


def test_two_concepts_own_their_words_and_share_the_rest(pipe):
    one, two = Watching(), Watching()
    concepts = [uc.Concept("sks cat", "dog", adjuster=one), uc.Concept("carved man", "hat", adjuster=two)]
    with uc.apply(pipe, concepts):
        encode(pipe, "the sks cat near carved man in snow")
    roles = "RxCCxCCxx"
    shared, own = (
        rows_of(*given)[0] for given in sorted(one.seen, key=lambda x: x[2].mine.sum(), reverse=True)
    )
    (others,) = (rows_of(*given)[0] for given in two.seen)
    for row in (shared, own, others):
        assert re.fullmatch(roles + "R+", row[0])
    assert own[1].nonzero().flatten().tolist() == [2, 3]
    assert others[1].nonzero().flatten().tolist() == [5, 6]
    assert (shared[1] | own[1] | others[1]).all()
    assert shared[1].sum() == len(roles) - 4 + shared[0][9:].count("R")


def test_what_has_no_partner_has_no_role(pipe):
    """Words that the anchor's length pushes out of the twin's window."""
    watching = Watching()
    with uc.apply(pipe, "sks", anchor="a big red cat", adjuster=watching):
        encode(pipe, "sks " + "snow " * 21)
    ((_, (roles, mine)),) = [(given, rows_of(*given)[0]) for given in watching.seen]
    assert roles == "RC" + "x" * 18 + "---R"
    assert mine.tolist() == [role != "-" for role in roles]


@pytest.fixture
def becoming(pipe, monkeypatch):
    """``becoming(layout)``: the pipeline's result becomes another; a list grows by one with each run."""
    kind = type(pipe)
    own, runs = kind.encode_prompt, []

    def replace(layout):
        def other(self, prompt, *args, **kwargs):
            runs.append(prompt)
            return layout(*own(self, prompt, *args, **kwargs))

        monkeypatch.setattr(kind, "encode_prompt", other)
        return runs

    return replace


def test_a_mean_over_words_is_of_the_rest_and_of_all_whose_words_are_in_it(pipe, becoming):
    becoming(lambda embeds, negative: (embeds.mean(1), negative))
    one, two = Watching(), Watching()
    concepts = [uc.Concept("sks cat", "dog", adjuster=one), uc.Concept("carved man", "hat", adjuster=two)]
    with uc.apply(pipe, concepts):
        encode(pipe, ["a carved man", OTHER, "sks cat near carved man"])
    ((row, _, shared),) = one.seen
    assert row.shape == (3, 1, 32)
    ((_, _, alone),) = two.seen
    for places in (shared, alone):
        assert [written(roles) for roles in places.role] == ["R", "-", "R"]
    assert shared.mine.tolist() == [[False], [False], [True]]
    assert alone.mine.tolist() == [[True], [False], [False]]


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (lambda embeds, negative: ([row[4:9] for row in embeds], negative), (5, 32)),
        (lambda embeds, negative: (embeds[:, 0], embeds[:, -1], negative), (1, 1, 32)),
        (lambda embeds, negative: (embeds[0, -1], negative), (1, 32)),
        (lambda embeds, negative: (torch.stack([embeds, embeds * 2], dim=1), negative), (1, 2, 24, 32)),
    ],
)
def test_a_row_is_one_of_tokens_whatever_the_result_is_made_of(pipe, becoming, layout, shape):
    becoming(layout)
    watching = Watching()
    with uc.apply(pipe, "sks cat", anchor="dog", adjuster=watching):
        encode(pipe, PROMPT)
    assert {row.shape for row, _, _ in watching.seen} == {shape}
    for given in watching.seen:
        rows_of(*given)


@pytest.mark.parametrize(("prompt", "groups"), [(PROMPT, 3), ("sks cat", 2)])
def test_the_step_runs_once_for_the_partners_and_once_for_each_group(pipe, becoming, prompt, groups):
    runs = becoming(lambda embeds, negative: (embeds, negative))
    with uc.apply(pipe, "sks cat", anchor="dog"):
        encode(pipe, prompt)
        assert len(runs) == 2 + 1 + groups


def test_where_no_ids_can_be_seen_everything_is_the_rest(pipe, monkeypatch):
    def encode_prompt(self, prompt, *_):
        ids = self.tokenizer(prompt, padding="max_length", return_tensors="pt").input_ids
        return type(self.text_encoder).forward(self.text_encoder, ids).last_hidden_state

    monkeypatch.setattr(type(pipe), "encode_prompt", encode_prompt)
    watching = Watching()
    said = pytest.warns(UncollapseWarning, match="paired by what their vectors look like")
    with uc.apply(pipe, "sks cat", anchor="dog", adjuster=watching), said:
        encode(pipe, [OTHER, PROMPT])
    ((others, nothing), (roles, mine)) = rows_of(*watching.seen[0])
    assert set(others) == {"-"}
    assert set(roles) == {"R"}
    assert mine.all()
    assert not nothing.any()


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError, RuntimeError, UncollapseError])
def test_what_goes_wrong_while_words_are_followed_is_raised(pipe, monkeypatch, error):
    def fail(*_):
        raise error("not enough of it")

    monkeypatch.setattr(following, "replay", fail)
    with uc.apply(pipe, "sks cat", anchor="dog"), pytest.raises(error, match="not enough of it"):
        encode(pipe, PROMPT)


def test_an_encoder_read_by_a_hook_is_paired_by_resemblance_and_that_is_said(pipe, monkeypatch):
    own = type(pipe).encode_prompt

    def by_hook(self, *args, **kwargs):
        seen = {}
        layer = self.text_encoder.get_input_embeddings()
        hook = layer.register_forward_hook(lambda *_: seen.update(here=True))
        try:
            result = own(self, *args, **kwargs)
        finally:
            hook.remove()
        return result if seen["here"] else None

    monkeypatch.setattr(type(pipe), "encode_prompt", by_hook)
    plain = encode(pipe, PROMPT)[0]
    said = pytest.warns(UncollapseWarning, match="StableDiffusionPipeline.* paired by what .* look like")
    with uc.apply(pipe, "sks cat", anchor="dog"), said:
        adjusted = encode(pipe, PROMPT)[0]
    assert not torch.equal(adjusted, plain)
