"""The miniature's training loop and tokenizer, and the whole build at a size that teaches nothing."""

import json

import pytest
import torch
from diffusers import StableDiffusionPipeline

from uncollapse.miniature.loop import Round, fit
from uncollapse.miniature.tokenizer import train_tokenizer


def train(folder, steps, *, stop_at=None, ema=None):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    seen = []

    def loss(generator, batch):
        if stop_at is not None and len(seen) >= stop_at * 2:
            raise KeyboardInterrupt
        seen.append(batch)
        x = torch.randn(batch, 3, generator=generator)
        return (model(x) - x.sum(1, keepdim=True)).pow(2).mean()

    plan = Round(steps=steps, batch=8, lr=0.05, warmup=2, ema=ema)
    return fit("toy", model, loss, [plan], folder, checkpoint_every=5).weight.detach().clone()


@pytest.mark.parametrize("ema", [None, 0.9])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(tmp_path, ema):
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole = train(tmp_path / "whole", 20, ema=ema)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", 20, stop_at=12, ema=ema)
    assert torch.equal(train(tmp_path / "broken", 20, ema=ema), whole)


def test_training_learns_and_logs(tmp_path):
    weight = train(tmp_path, 150)
    torch.testing.assert_close(weight, torch.ones(1, 3), atol=0.05, rtol=0)
    settings, *records = [json.loads(line) for line in (tmp_path / "toy-1.jsonl").read_text().splitlines()]
    assert settings["steps"] == 150
    assert [r["step"] for r in records] == [50, 100, 150]
    assert records[-1]["loss"] < records[0]["loss"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(captions=400)


def test_words_of_the_world_and_rare_identifiers_are_one_token(tokenizer):
    assert tokenizer.tokenize("a photo of sks cat") == [
        f"{w}</w>" for w in ["a", "photo", "of", "sks", "cat"]
    ]


@pytest.mark.parametrize("text", ["The quick brown fox!", "naïve über 42", "猫 in snow", "<my-cat>"])
def test_any_other_text_still_tokenises(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids).replace(" ", "") == text.lower().replace(" ", "")


def test_it_survives_saving(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    assert (
        again("a cat", padding="max_length").input_ids == tokenizer("a cat", padding="max_length").input_ids
    )
    assert again.model_max_length == 32


@pytest.mark.slow
def test_the_build_makes_an_ordinary_pipeline_folder_from_nothing(tmp_path):
    from uncollapse.miniature.build import main

    main(tmp_path / "work", tmp_path / "data", fraction=0.002, pictures=256, threads=2)
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "data" / "model")
    pipe.load_lora_weights(tmp_path / "data" / "concepts" / "cat")
    image = pipe("a photo of sks cat in the snow", num_inference_steps=2).images[0]
    assert image.size == (64, 64)
    assert "python -m uncollapse.miniature.build" in (tmp_path / "data" / "card.md").read_text()
