"""The judge is written out by hand: which vector goes with which, and ``uc.adjust`` of the two."""

import pytest
import torch

import uncollapse as uc
from toys.comfyui import make_clip
from uncollapse.alignment import ALONE
from uncollapse.comfyui.encoding import base_of, check_finite, encoded, level_of
from uncollapse.errors import AdjustmentError, EmbeddingError, PipelineError

DOG = uc.Concept("sks dog", "dog", 0.4, 1.5)
TEXT, TWIN = "a sks dog in snow", "a dog in snow"
#  START a sks dog in snow END PAD…          START a dog in snow END PAD…
PARTNERS = [0, 1, 2, 2, 3, 4, 5, 7, 8, 9, 10, 11]
WORDS = {"concept": [2, 3], "context": [1, 4, 5], "rest": [0, *range(6, 12)]}


def by_hand(clip, base, text, twin, partners, concept, alphas=None):
    """The adjusted conditioning, of one row, and its pooled vector."""
    [[own, options]], [[theirs, their_options]] = clip.encode(text), base.encode(twin)
    adjusted = own.clone()
    for i, partner in enumerate(partners):
        alpha = concept.adjuster.alpha if alphas is None else alphas[i]
        if partner != ALONE and alpha is not None:
            adjusted[..., i, :] = uc.adjust(
                own[..., i, :], theirs[..., partner, :], alpha, concept.adjuster.beta
            )
    pooled = [each["pooled_output"] for each in (options, their_options)]
    alpha = concept.adjuster.alpha if alphas is None else alphas[0]
    return adjusted, uc.adjust(*pooled, alpha, concept.adjuster.beta)


def assert_same(conditioning, expected):
    [[cond, options]] = conditioning
    torch.testing.assert_close(cond, expected[0])
    torch.testing.assert_close(options["pooled_output"], expected[1])


def adjusted(clip, text, *concepts, base=None):
    return encoded(clip, base or base_of(clip), text, concepts).adjusted(concepts)


def test_each_word_moves_toward_itself_and_the_placeholder_toward_the_anchor():
    clip = make_clip()
    assert_same(adjusted(clip, TEXT, DOG), by_hand(clip, clip, TEXT, TWIN, PARTNERS, DOG))


def test_the_anchor_comes_from_the_clip_without_its_lora_or_from_the_one_given():
    clip = make_clip()
    tuned, other = clip.with_lora(0.5), make_clip(seed=5)
    assert_same(adjusted(tuned, TEXT, DOG), by_hand(tuned, clip, TEXT, TWIN, PARTNERS, DOG))
    assert_same(adjusted(tuned, TEXT, DOG, base=other), by_hand(tuned, other, TEXT, TWIN, PARTNERS, DOG))
    assert tuned.patcher.patches == {"shift": 0.5}


def test_alpha_by_role_meets_each_role_alone():
    clip = make_clip()
    concept = uc.Concept("sks dog", "dog", uc.ByRole(0, 1, 0.5), 1.0)
    alpha = {"concept": None, "context": 1.0, "rest": 0.5}
    alphas = [next(alpha[role] for role, at in WORDS.items() if i in at) for i in range(12)]
    assert_same(adjusted(clip, TEXT, concept), by_hand(clip, clip, TEXT, TWIN, PARTNERS, concept, alphas))


def test_alpha_0_with_norms_kept_changes_no_bit_and_the_clip_is_left_as_it_was():
    clip = make_clip("clip_l", "clip_g")
    before = clip.encode(TEXT)
    same = adjusted(clip, TEXT, uc.Concept("sks dog", "dog", 0.0, None))
    assert torch.equal(same[0][0], before[0][0])
    assert torch.equal(clip.encode(TEXT)[0][0], before[0][0])
    assert not any("encode" in vars(module) for module in clip.cond_stage_model.modules())


def test_the_encoders_are_asked_once_for_the_prompt_and_once_for_its_twin():
    clip = make_clip("clip_l", "clip_g")
    adjusted(clip, TEXT, uc.Concept("sks dog", "dog", uc.ByRole(0, 1, 1)))
    assert [clip.cond_stage_model.clip_l.calls, clip.cond_stage_model.clip_g.calls] == [2, 2]


def test_every_encoder_is_paired_by_itself():
    clip = make_clip("clip_l", "clip_g")
    twice = [*PARTNERS, *(12 + i for i in PARTNERS)]
    assert_same(adjusted(clip, TEXT, DOG), by_hand(clip, clip, TEXT, TWIN, twice, DOG))


def test_layers_beside_each_other_move_together():
    clip = make_clip(layers=3)
    assert_same(adjusted(clip, TEXT, DOG), by_hand(clip, clip, TEXT, TWIN, PARTNERS, DOG))


def test_weights_are_comfyuis():
    clip = make_clip()
    cond = adjusted(clip, "a (sks dog:1.5) in (snow:0.5)", DOG)[0][0]
    weights = torch.ones(12)
    weights[[2, 3, 5]] = torch.tensor([1.5, 1.5, 0.5])
    own, theirs, empty = (clip.encode(each)[0][0] for each in (TEXT, TWIN, ""))

    def weighed(vectors):
        """A partner too is weighed against the empty prompt where the prompt's own token stands."""
        return empty + weights[:, None] * (vectors - empty)

    torch.testing.assert_close(cond, uc.adjust(weighed(own), weighed(theirs[:, PARTNERS]), 0.4, 1.5))


def test_a_prompt_of_several_rows_is_paired_through_all_of_them():
    """The first word of its second row stands in the first of the twin's."""
    clip = make_clip(length=6)
    text, twin = "a sks dog in snow near", "a dog in snow near"
    assert [len(each.tokenize(x)["l"]) for each in [clip] for x in (text, twin)] == [2, 2]
    #  START a sks dog in END | START snow near END PAD PAD      START a dog in snow END | START near END PAD…
    partners = [0, 1, 2, 2, 3, 5, 6, 4, 7, 8, 10, 11]
    assert_same(adjusted(clip, text, DOG), by_hand(clip, clip, text, twin, partners, DOG))


def test_a_templates_words_are_of_the_rest():
    clip = make_clip(template="user says : {} !", length=None)
    concept = uc.Concept("sks dog", "dog", uc.ByRole(0.1, 0.2, 0.3))
    partners = [0, 1, 2, 3, 4, 4, 5, 6, 7]
    alphas = [0.3] * 3 + [0.2, 0.1, 0.1, 0.2, 0.2] + [0.3]
    assert_same(adjusted(clip, TEXT, concept), by_hand(clip, clip, TEXT, TWIN, partners, concept, alphas))


def test_an_embeddings_vectors_move_before_they_are_encoded(tmp_path):
    rows = torch.randn(2, 8)
    moved = uc.adjust(rows, _row(make_clip(), "cat"), 0.4, 1.5)
    write(tmp_path / "mine.safetensors", rows)
    write(tmp_path / "moved.safetensors", moved)
    clip = make_clip(embeddings=tmp_path)
    concept = uc.Concept("embedding:mine", "cat", 0.4)
    assert level_of(clip, concept) == "token"
    result = encoded(clip, clip, "a photo of embedding:mine, in snow", [concept]).result
    torch.testing.assert_close(result, clip.encode("a photo of embedding:moved, in snow"))


def test_an_embedding_by_role_moves_at_prompt_level(tmp_path):
    write(tmp_path / "mine.safetensors", torch.randn(2, 8))
    clip = make_clip(embeddings=tmp_path)
    concept = uc.Concept("embedding:mine", "cat", uc.ByRole(0.2, 0.2, 0.2))
    text = "a embedding:mine in snow"
    plain = uc.Concept("embedding:mine", "cat", 0.2, level="prompt")
    expected = by_hand(clip, clip, text, "a cat in snow", PARTNERS, plain)
    assert_same(adjusted(clip, text, concept), expected)
    assert_same(adjusted(clip, text, plain), expected)


def test_an_embedding_of_another_width_is_no_token_of_this_encoder(tmp_path):
    """Its row is filled up with padding instead, as ComfyUI does."""
    write(tmp_path / "mine.safetensors", torch.randn(1, 8))
    clip = make_clip("clip_l", "clip_g", embeddings=tmp_path)
    concept = uc.Concept("embedding:mine", "cat", 0.4, level="prompt")
    text, twin = "a embedding:mine in snow", "a cat in snow"
    [[cond, _]] = adjusted(clip, text, concept)
    own, theirs = clip.encode(text)[0][0], clip.encode(twin)[0][0]
    at = [12, 13, 15, 16, 17]  # START a in snow END of the twin
    torch.testing.assert_close(cond[:, 12:17], uc.adjust(own[:, 12:17], theirs[:, at], 0.4, 1.5))


def test_several_concepts_share_the_words_between_them():
    clip = make_clip()
    cat = uc.Concept("red cat", "cat", 0.8, 1.5)
    text, twin = "a sks dog near red cat", "a dog near cat"
    [[cond, _]] = adjusted(clip, text, DOG, cat)
    own, theirs = clip.encode(text)[0][0], clip.encode(twin)[0][0]
    partners, alphas = [0, 1, 2, 2, 3, 4, 4, 5], torch.tensor([0.6, 0.6, 0.4, 0.4, 0.6, 0.8, 0.8, 0.6])
    torch.testing.assert_close(cond[:, :8], uc.adjust(own[:, :8], theirs[:, partners], alphas, 1.5))


def test_a_level_that_cannot_be_and_vectors_that_have_no_direction_are_refused(tmp_path):
    write(tmp_path / "zero.safetensors", torch.zeros(1, 8))
    clip = make_clip(embeddings=tmp_path)
    with pytest.raises(AdjustmentError, match="no learned embedding"):
        level_of(clip, uc.Concept("sks dog", "dog", level="token"))
    with pytest.raises(EmbeddingError, match="vector 0 of 'embedding:zero' is zero"):
        encoded(clip, clip, "a embedding:zero", [uc.Concept("embedding:zero", "dog")])


def test_a_base_clip_of_another_model_is_refused():
    with pytest.raises(PipelineError, match="base clip of the same model"):
        adjusted(make_clip("clip_l", "clip_g"), TEXT, DOG, base=make_clip())


def test_what_is_not_finite_is_refused_with_who_made_it():
    with pytest.raises(PipelineError, match="what the text encoder returns is not finite"):
        check_finite([[torch.tensor([[torch.nan]]), {}]], "what the text encoder returns")
    check_finite([[torch.zeros(1, 1), {"mask": torch.ones(1, dtype=torch.bool)}]], "nothing")


def _row(clip, word):
    from toys.comfyui import IDS

    return clip.cond_stage_model.clip_l.transformer.get_input_embeddings().weight[IDS[word]]


def write(path, rows):
    uc.learned_embeds.write(path, uc.learned_embeds.LearnedEmbedding("x", {"text_encoder": rows}), "kohya")
