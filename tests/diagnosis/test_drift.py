"""Token and prompt level: drift measured against restatements, at the right positions, without padding."""

import math

import pytest
import torch

import uncollapse as uc
from toys.layouts import LAYOUTS, clip
from toys.pipelines import WIDTH, add_token, make_pipeline
from uncollapse.diagnosis.contexts import Contexts
from uncollapse.diagnosis.drift import landmarks, token_drift
from uncollapse.diagnosis.prompts import encode, encode_both, encoder_of, prompt_drift, token_counts
from uncollapse.errors import PipelineError
from uncollapse.learned_embeds import LearnedEmbedding
from uncollapse.vocabulary.tables import vocabularies_of

TEMPLATES = ("a photo of {} in the snow", "{} on the beach", "a red hat near {}", "{} wearing a hat")
CONTEXTS = Contexts(TEMPLATES, (1, 2, 3, 4), "test")
CONCEPT = uc.Concept("sks cat", "cat")


def drifted(pipe, *rows):
    embedding = LearnedEmbedding("<t>", {"text_encoder": torch.stack(rows)})
    [found] = token_drift([embedding], vocabularies_of(pipe), ["cat"], uc.Adjustment(0.5, 2.0))
    return found


def test_drift_of_a_row_in_closed_form(pipe):
    c = vocabularies_of(pipe)["text_encoder"].anchor_vector("cat")
    other = torch.randn(WIDTH)
    across = other - (other @ c) / (c @ c) * c
    across = across / across.norm() * c.norm()
    same, right_angle = drifted(pipe, c, 3 * across)
    assert same.before.nearest[0][0] == "cat"
    assert (same.norm_ratio, same.cosine) == (pytest.approx(1), pytest.approx(1))
    assert same.angle == pytest.approx(0, abs=1e-3)
    assert right_angle.norm_ratio == pytest.approx(3)
    assert right_angle.angle == pytest.approx(math.pi / 2)
    assert right_angle.cosine_after == pytest.approx(math.cos(math.pi / 4))
    assert right_angle.after.norm == pytest.approx(2 * c.norm().item())
    assert right_angle.before.norm_percentile == 100
    assert right_angle.after.nearest[0][0] == "cat"


def test_special_tokens_are_placed_among_the_words(pipe):
    found = {mark.token: mark for mark in landmarks(vocabularies_of(pipe))}
    assert set(found) == {"<|startoftext|>", "<|endoftext|>"}
    table = pipe.text_encoder.get_input_embeddings().weight
    start = table[pipe.tokenizer.bos_token_id].norm().item()
    assert found["<|startoftext|>"].norm == pytest.approx(start)
    assert 0 <= found["<|startoftext|>"].percentile <= 100


@pytest.mark.parametrize("causal", [True, False], ids=["clip", "t5"])
def test_without_padding_the_vectors_are_those_of_the_sentence_alone(pipe, causal):
    if causal:
        tokenizer, encoder = pipe.tokenizer, pipe.text_encoder
    else:
        t5 = LAYOUTS["P M N m"]()
        tokenizer, encoder = t5.tokenizer, t5.text_encoder
    sentences = CONTEXTS.about("cat") * 2
    for sentence, encoded in zip(sentences, encode(tokenizer, encoder, sentences), strict=True):
        ids = tokenizer(sentence, return_tensors="pt").input_ids
        assert list(encoded.ids) == ids[0].tolist()
        with torch.no_grad():
            alone = encoder(input_ids=ids).last_hidden_state[0]
        torch.testing.assert_close(encoded.vectors, alone, rtol=1e-4, atol=1e-5)


def test_padding_would_not_have_mattered_to_clip(pipe):
    [encoded] = encode(pipe.tokenizer, pipe.text_encoder, ["a cat in the snow"])
    padded = pipe.tokenizer("a cat in the snow", padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        full = pipe.text_encoder(padded).last_hidden_state[0]
    torch.testing.assert_close(encoded.vectors, full[: len(encoded.ids)], rtol=1e-4, atol=1e-5)


def measured(pipe, concept=CONCEPT, base=None):
    ours, theirs = encode_both(pipe, concept, CONTEXTS, base)
    return prompt_drift(encoder_of(pipe)[0], concept, ours, theirs)


def test_drift_is_that_of_words_paired_by_hand(tuned_pipe, base_pipe):
    found = measured(tuned_pipe, base=base_pipe)
    ours = encode(tuned_pipe.tokenizer, tuned_pipe.text_encoder, ["sks cat on the beach"])[0].vectors
    base = encode(base_pipe.tokenizer, base_pipe.text_encoder, ["cat on the beach"])[0].vectors
    drift = 1 - torch.cosine_similarity(ours[[0, 1, 2, 3, 4, 5, 6]], base[[0, 1, 1, 2, 3, 4, 5]], dim=-1)
    assert found.context[1].item() == pytest.approx(drift[3:6].mean().item(), abs=1e-5)
    assert found.concept[1].item() == pytest.approx(drift[1:3].mean().item(), abs=1e-5)
    assert found.pooled[1].item() == pytest.approx(drift[6].item(), abs=1e-5)
    torch.testing.assert_close(found.P[1], ours[-1])
    torch.testing.assert_close(found.Q[1], base[-1])


def test_an_encoder_that_looks_left_hears_nothing_of_what_follows(pipe):
    """With one encoder for both, the words before the concept have not moved at all."""
    ours, theirs = encode_both(pipe, CONCEPT, CONTEXTS)
    found = prompt_drift(pipe.tokenizer, CONCEPT, ours, theirs)
    assert found.context[2].item() == pytest.approx(0, abs=1e-6)  # "a red hat near sks cat"
    assert found.context[1] > 1e-4
    assert torch.equal(found.norm_ratio.isfinite(), torch.ones(4, dtype=torch.bool))


def test_the_base_is_the_encoder_without_its_lora(lora_pipe):
    found = measured(lora_pipe)
    plain = make_pipeline()
    expected = encode(plain.tokenizer, plain.text_encoder, CONTEXTS.about("cat"))
    torch.testing.assert_close(found.Q, torch.stack([each.vectors[-1] for each in expected]))
    assert found.pooled.min() > 1e-3


def test_a_token_of_several_vectors_is_written_out(pipe):
    add_token(pipe, "<t>", torch.randn(3, WIDTH))
    concept = uc.Concept("<t>", "cat")
    found = measured(pipe, concept)
    assert found.concept.isfinite().all()
    count, window = token_counts(pipe)
    assert (count("<t> on the beach"), count("cat on the beach"), window) == (8, 6, 24)


def test_sentences_that_are_no_twins_are_refused(pipe):
    ours = encode(pipe.tokenizer, pipe.text_encoder, ["sks cat on the beach"])
    base = encode(pipe.tokenizer, pipe.text_encoder, ["a cat in the snow"])
    with pytest.raises(PipelineError, match="'a cat in the snow' is not 'sks cat on the beach' with 'cat'"):
        prompt_drift(pipe.tokenizer, CONCEPT, ours, base)


def test_encoders_with_a_template_of_their_own_are_refused(pipe):
    pipe.text_encoder.config.model_type = "qwen2_5_vl"
    with pytest.raises(PipelineError, match="is a qwen2_5_vl, but prompts"):
        encoder_of(pipe)


def test_projected_clip_works_as_well(tokenizer):
    encoder = clip(tokenizer, projection=True)
    [encoded] = encode(tokenizer, encoder, ["a cat"])
    assert encoded.vectors.shape == (4, 32)
