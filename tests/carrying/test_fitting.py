"""What is aimed at is what ``apply`` makes of prompts, heard whole or in a shorter window."""

import torch

import uncollapse as uc
from toys.pipelines import encode
from uncollapse.adjusters import Role
from uncollapse.carrying.fitting import aims, encoded, linears, part_in_force, staying

CONCEPT = uc.Concept("sks cat", "cat", alpha=uc.ByRole(0, 1, 1), beta=1.0)
TEMPLATES = ["a photo of {} in the snow", "a {} on the beach"]
TEXTS = [text.replace("{}", "sks cat") for text in TEMPLATES]
OTHERS = ["", "a photo of a hat"]


def test_what_is_aimed_at_is_what_apply_does(lora_pipe):
    found = aims(lora_pipe, CONCEPT, TEMPLATES)
    with uc.apply(lora_pipe, CONCEPT):
        wanted = encode(lora_pipe, TEXTS, guidance=False)[0]
    assert torch.equal(found.targets[0], wanted)
    assert torch.equal(found.before[0], encode(lora_pipe, TEXTS, guidance=False)[0])
    assert (found.roles[0][0] == Role.CONCEPT).sum() == 2
    assert (found.roles[0][0] == Role.CONTEXT).sum() == 6
    assert found.lengths == [10, 8]


def test_texts_without_the_concept_stay_or_become_the_bases(lora_pipe):
    as_it_is = staying(lora_pipe, CONCEPT, OTHERS)
    assert torch.equal(as_it_is.targets[0], encode(lora_pipe, OTHERS, guidance=False)[0])
    assert not as_it_is.roles[0].any()
    base = staying(lora_pipe, uc.Concept("sks cat", "cat", negative_encoder="base"), OTHERS)
    lora_pipe.disable_lora()
    assert torch.equal(base.targets[0], encode(lora_pipe, OTHERS, guidance=False)[0])
    assert torch.equal(base.before[0], as_it_is.before[0])


def test_a_shorter_window_hears_the_same(lora_pipe):
    before = lora_pipe.tokenizer.model_max_length
    short, whole = encoded(lora_pipe, TEXTS, 12)[0], encoded(lora_pipe, TEXTS)[0]
    assert short.shape[1] == 12
    assert torch.allclose(short, whole[:, :12], atol=1e-5)
    assert lora_pipe.tokenizer.model_max_length == before


def test_a_part_in_force_adds_to_its_layer_and_is_gone_afterwards(pipe):
    key = next(key for key in linears(pipe) if key[1].endswith("mlp.fc2"))
    A, B = torch.randn(3, 64), torch.randn(32, 3)
    before = encode(pipe, TEXTS)[0]
    with part_in_force(pipe, {key: (A, B)}):
        inside = encode(pipe, TEXTS)[0]
    assert torch.equal(encode(pipe, TEXTS)[0], before)
    with torch.no_grad():
        linears(pipe)[key].weight += B @ A
    assert torch.allclose(encode(pipe, TEXTS)[0], inside, atol=1e-4)
    assert not torch.allclose(inside, before, atol=1e-2)
