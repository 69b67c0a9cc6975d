"""The released code's way, against a restatement of it, its errors included."""

import numpy as np
import pytest
import torch

import uncollapse as uc
from toys.pipelines import WIDTH, add_token, encode
from uncollapse.baking import bake
from uncollapse.diagnosis.prompts import adjusted_ends
from uncollapse.errors import UncollapseWarning
from uncollapse.learned_embeds import write
from uncollapse.learned_embeds.embedding import LearnedEmbedding
from uncollapse.rivals import Released
from uncollapse.vocabulary.tables import vocabularies_of

PROMPT, TWIN = "a photo of sks cat in the snow", "a photo of cat in the snow"


def restated(v, c, rho, alpha):
    """Row i with row i: slerp of the directions by ρ, at the norm (1−α)|v| + α|c|."""
    lengths = [np.linalg.norm(x, axis=-1, keepdims=True) for x in (v, c)]
    v, c = v / lengths[0], c / lengths[1]
    theta = np.arccos(np.clip((v * c).sum(-1, keepdims=True), -1, 1))
    sine = np.where(theta < 1e-7, 1, np.sin(theta))
    turned = np.sin((1 - rho) * theta) / sine * v + np.sin(rho * theta) / sine * c
    return ((1 - alpha) * lengths[0] + alpha * lengths[1]) * np.where(theta < 1e-7, v, turned)


def test_rows_are_paired_by_their_places_with_the_tuned_encoders(lora_pipe):
    negative = encode(lora_pipe, PROMPT, "a dog")[1]
    v, c = (encode(lora_pipe, text)[0][0].double().numpy() for text in (PROMPT, TWIN))
    with (
        pytest.warns(UncollapseWarning, match=r"ρ 0.3 α 0.4 repeats the released code with what is wrong"),
        uc.apply(lora_pipe, "sks cat", anchor="cat", adjuster=Released(0.3, 0.4)),
    ):
        found = encode(lora_pipe, PROMPT, "a dog")
    np.testing.assert_allclose(found[0][0], restated(v, c, 0.3, 0.4), atol=1e-5)
    assert torch.equal(found[1], negative)
    with uc.apply(lora_pipe, "sks cat", anchor="cat", alpha=0.3, beta=None, norm_blend=0.4):
        assert (encode(lora_pipe, PROMPT)[0] - found[0]).norm() > 0.1  # words with words, by the base encoder


def test_a_learned_token_moves_toward_the_piece_inside_words(pipe):
    learned = 3 * torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(0))
    add_token(pipe, "<my-cat>", learned)
    ids = pipe.tokenizer.convert_tokens_to_ids(["<my-cat>", "<my-cat>_1"])
    table = pipe.text_encoder.get_input_embeddings().weight.data
    piece = table[pipe.tokenizer.get_vocab()["a"]]
    with (
        pytest.warns(UncollapseWarning, match="repeats the released code"),
        uc.apply(pipe, "<my-cat>", anchor="a", adjuster=Released(0.3, 0.4)),
    ):
        found = table[ids].clone()
    judged = restated(learned.double().numpy(), piece.double().numpy()[None], 0.3, 0.4)
    np.testing.assert_allclose(found, judged, atol=1e-5)
    assert pipe.tokenizer.tokenize("a") == ["a</w>"]
    with pytest.raises(uc.AnchorError, match="the vocabulary has no entry 'small cat'"):
        uc.apply(pipe, "<my-cat>", anchor="small cat", adjuster=Released(0.3, 0.4))
    assert torch.equal(table[ids], learned)


def test_a_negative_prompt_by_the_base_encoder_does_not_go_with_it():
    with pytest.raises(uc.AdjustmentError, match="negative_encoder='base' goes with"):
        uc.Concept("sks cat", "cat", negative_encoder="base", adjuster=Released(0.3, 0.4))


def test_settings_are_in_range_and_a_schedule_weakens_rho():
    for settings, name in (((2, 0), "rho=2"), ((0, -1), "alpha=-1")):
        with pytest.raises(uc.AdjustmentError, match=rf"Released\(\): {name} is out of range"):
            Released(*settings)
    assert Released(0.4, 0.2).weakened(0.5) == Released(0.2, 0.2)


def test_what_cannot_repeat_it_refuses_it(pipe, tmp_path):
    file = write(
        tmp_path / "cat.safetensors", LearnedEmbedding("<my-cat>", {"text_encoder": torch.ones(1, WIDTH)})
    )
    with pytest.raises(
        uc.AdjustmentError, match=r"bake\(\): Released code ρ 0.3 α 0.4 is for pipelines alone"
    ):
        bake(file, tmp_path / "baked.safetensors", vocabularies_of(pipe), "cat", Released(0.3, 0.4))
    assert not (tmp_path / "baked.safetensors").exists()
    with pytest.raises(uc.AdjustmentError, match="pairs places, of padding too"):
        adjusted_ends(pipe.tokenizer, uc.Concept("sks cat", "cat"), [], [], Released(0.3, 0.4))
