"""Textual Inversion: its rows move and nothing else, along the gradient of the usual recipe."""

import numpy as np
import pytest
import torch
from PIL import Image

from toys.pipelines import WIDTH, generate, make_pipeline
from toys.states import assert_same, everything
from toys.trainings import make_photos
from toys.whole_pipelines import build
from uncollapse.anchors import anchor_token_ids
from uncollapse.errors import (
    AnchorError,
    FileFormatError,
    OutputError,
    PipelineError,
    PlaceholderError,
    TrainingError,
    UncollapseWarning,
)
from uncollapse.geometry import norm, unit
from uncollapse.learned_embeds import load_into, read
from uncollapse.training import TextualInversion, train
from uncollapse.training.families import family_of
from uncollapse.training.latents import encode_pictures
from uncollapse.training.previews import join_previews
from uncollapse.training.token_rows import learning_rows
from uncollapse.trajectory import read_trajectory

CAT = {"placeholder": "<my-cat>", "class_word": "cat", "batch_size": 2}


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos")


def learn(pipe, photos, folder, **settings):
    settings = TextualInversion(**{**CAT, "steps": 4, **settings})
    return train(pipe, photos, folder, settings)


def table_of(pipe):
    return pipe.text_encoder.get_input_embeddings().weight.detach()


def cat_row(pipe):
    return table_of(pipe)[anchor_token_ids(pipe.tokenizer, "cat")][0]


def test_the_rows_move_and_nothing_else(pipe, photos, tmp_path):
    before = everything(pipe)
    learn(pipe, photos, tmp_path / "out")
    assert_same(before, everything(pipe))
    [rows] = read(tmp_path / "out").vectors.values()
    assert rows.shape == (1, WIDTH)
    assert not torch.equal(rows[0], cat_row(pipe))


def test_the_trajectory_starts_at_the_class_word_and_ends_at_the_result(pipe, photos, tmp_path):
    trajectory = learn(pipe, photos, tmp_path / "out", checkpoint_steps=[0, 2])
    assert trajectory == read_trajectory(tmp_path / "out")
    assert [each.step for each in trajectory.checkpoints] == [0, 2, 4]
    start, _, end = trajectory.checkpoints
    [rows] = read(trajectory.path(start)).vectors.values()
    assert torch.equal(rows[0], cat_row(pipe))
    assert (start.loss, start.cosine) == (None, pytest.approx(1))
    assert start.norm == pytest.approx(cat_row(pipe).norm().item())
    assert (
        read(trajectory.path(end))
        .vectors["text_encoder"]
        .equal(read(tmp_path / "out").vectors["text_encoder"])
    )
    assert end.cosine < 1
    assert read(tmp_path / "out").metadata == {
        "class_word": "cat",
        "initialiser": "cat",
        "steps": "4",
        "base_model": "StableDiffusionPipeline",
    }


def test_the_manifest_says_how_to_train_it_again(pipe, photos, tmp_path):
    chosen = {"checkpoint_steps": range(0, 4, 2), "lr": 0.02, "pull": 0.5, "seed": 3}
    first = learn(pipe, photos, tmp_path / "first", **chosen)
    written = TextualInversion(**read_trajectory(tmp_path / "first").settings)
    assert written == TextualInversion(**{**CAT, **chosen, "steps": 4, "checkpoint_steps": [0, 2]})
    again = train(pipe, photos, tmp_path / "again", written)
    assert again.checkpoints == first.checkpoints


def test_the_gradient_is_that_of_the_usual_recipe(pipe):
    """There the table is enlarged, and its whole gradient computed to keep one row of it."""
    family = family_of(pipe)
    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    latents = encode_pictures(pipe, pictures).mean
    prompts = ["a photo of <my-cat> in the snow", "<my-cat>"]
    with learning_rows(pipe, "<my-cat>", "cat", "dog", vectors=2) as learned:
        [one] = learned.values()
        loss = family.losses(latents, family.encode(prompts), torch.Generator().manual_seed(0)).mean()
        (ours,) = torch.autograd.grad(loss, one.rows)
        rows = one.rows.detach().clone()
    pipe = make_pipeline()
    pipe.load_textual_inversion({"<my-cat>": rows}, token="<my-cat>")
    family = family_of(pipe)
    table = pipe.text_encoder.get_input_embeddings().weight.requires_grad_()
    usual = family.losses(latents, family.encode(prompts), torch.Generator().manual_seed(0)).mean()
    (gradient,) = torch.autograd.grad(usual, table)
    assert usual.item() == pytest.approx(loss.item(), rel=1e-6)
    torch.testing.assert_close(ours, gradient[-2:], atol=1e-7, rtol=1e-4)
    assert ours.abs().min(1).values.gt(0).all()


def test_another_seed_draws_other_noise_from_the_first_step_on(pipe, photos, tmp_path):
    losses = [
        learn(pipe, photos, tmp_path / f"{seed}", seed=seed, steps=1).checkpoints[-1].loss
        for seed in (0, 1, 2, 2**32 - 1)
    ]
    assert len(set(losses)) == 4


def test_it_learns(pipe, photos, tmp_path):
    """On one noise level for all, what is learned fits the photos better than what it started from."""
    learn(pipe, photos, tmp_path / "out", steps=30, lr=0.1)
    family = family_of(pipe)
    latents = encode_pictures(pipe, torch.rand(1, 3, 16, 16)).mean.expand(32, -1, -1, -1)

    def loss(prompt):
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            return family.losses(latents, family.encode([prompt] * 32), generator).mean().item()

    before = loss("a photo of cat")
    load_into(pipe, tmp_path / "out")
    assert loss("a photo of <my-cat>") < before


def test_both_encoders_of_sdxl_learn(tmp_path, photos):
    pipe = build("SDXL")
    before = everything(pipe)
    learn(pipe, photos, tmp_path / "out", vectors=2)
    assert_same(before, everything(pipe))
    embedding = read(tmp_path / "out")
    assert {name: rows.shape for name, rows in embedding.vectors.items()} == {
        "clip_l": (2, 32),
        "clip_g": (2, 32),
    }
    for name, (tokenizer, encoder) in {
        "clip_l": (pipe.tokenizer, pipe.text_encoder),
        "clip_g": (pipe.tokenizer_2, pipe.text_encoder_2),
    }.items():
        start = encoder.get_input_embeddings().weight[anchor_token_ids(tokenizer, "cat")[0]]
        assert (embedding.vectors[name] != start).any(1).all()
    assert load_into(pipe, tmp_path / "out") == "<my-cat>"


def test_a_held_norm_stays_at_the_vocabularys(pipe, photos, tmp_path):
    settings = {"norm_preserving": True, "lr": 0.1, "checkpoint_steps": range(5)}
    free, held = (
        learn(pipe, photos, tmp_path / f"{kappa}", kappa=kappa, **settings) for kappa in (0.0, 1000.0)
    )
    typical = norm(table_of(pipe)).mean().item()
    for trajectory in (free, held):
        assert [each.norm for each in trajectory.checkpoints] == pytest.approx([typical] * 5, rel=1e-5)
    assert free.checkpoints[-1].cosine < 0.99
    assert held.checkpoints[-1].cosine > free.checkpoints[-1].cosine


def test_the_pull_is_weight_decay_toward_the_initialiser(pipe, photos, tmp_path):
    settings = {"initialiser": "dog", "steps": 1, "lr": 0.1}
    learn(pipe, photos, tmp_path / "free", **settings)
    learn(pipe, photos, tmp_path / "pulled", pull=2.0, **settings)
    free, pulled = (read(tmp_path / name).vectors["text_encoder"][0] for name in ("free", "pulled"))
    dog = table_of(pipe)[anchor_token_ids(pipe.tokenizer, "dog")][0]
    torch.testing.assert_close(pulled, free + 0.1 * 2.0 * (dog - free))


def test_clipping_shortens_what_plain_descent_follows(pipe, photos, tmp_path):
    learn(pipe, photos, tmp_path / "out", steps=1, lr=1.0, optimizer="SGD", max_grad_norm=1e-4)
    [rows] = read(tmp_path / "out").vectors.values()
    assert (rows[0] - cat_row(pipe)).norm() == pytest.approx(1e-4, rel=0.02)


def test_accumulated_batches_are_one_step(pipe, photos, tmp_path):
    """Three photos three times each, in one batch or in three: the same photos, other noise."""
    whole = learn(pipe, photos, tmp_path / "a", gradient_accumulation=1)
    parts = learn(pipe, photos, tmp_path / "b", gradient_accumulation=3)
    assert whole.checkpoints[-1].step == parts.checkpoints[-1].step == 4
    assert whole.checkpoints[-1].loss != parts.checkpoints[-1].loss


def test_checkpointing_the_denoiser_changes_no_result(pipe, photos, tmp_path):
    before = everything(pipe)
    calls = []
    pipe.unet.up_blocks[-1].resnets[-1].register_forward_pre_hook(lambda *_: calls.append(1))
    plain = learn(pipe, photos, tmp_path / "a")
    assert len(calls) == 4
    saving = learn(pipe, photos, tmp_path / "b", gradient_checkpointing=True)
    assert len(calls) == 4 + 8  # forward, and once more for the gradient
    assert saving.checkpoints[-1].loss == pytest.approx(plain.checkpoints[-1].loss, rel=1e-5)
    assert_same(before, everything(pipe))
    assert not pipe.unet.is_gradient_checkpointing


def test_lower_precision_is_near(pipe, photos, tmp_path):
    plain = learn(pipe, photos, tmp_path / "a")
    lower = learn(pipe, photos, tmp_path / "b", mixed_precision="bf16")
    assert lower.checkpoints[-1].loss == pytest.approx(plain.checkpoints[-1].loss, rel=0.02)
    assert lower.checkpoints[-1].loss != plain.checkpoints[-1].loss


@pytest.mark.thorough
def test_previews_show_the_prompt_as_the_result_draws_it(pipe, photos, tmp_path):
    prompt = "a photo of <my-cat> in the snow"
    learn(pipe, photos, tmp_path / "out", steps=3, preview_every=3, validation_prompt=prompt)
    previews = sorted((tmp_path / "out" / "previews").iterdir())
    assert [path.name for path in previews] == ["step-000000.png", "step-000003.png"]
    load_into(pipe, tmp_path / "out")
    for path, text in zip(previews, (prompt.replace("<my-cat>", "cat"), prompt), strict=True):
        drawn = pipe(text, generator=torch.Generator().manual_seed(0)).images[0]
        assert np.abs(np.asarray(Image.open(path), int) - np.asarray(drawn, int)).max() <= 1


def test_all_previews_are_on_one_strip_in_their_order(tmp_path):
    """Ten pictures of ten greys: eight in the first row, two in the second, each under its line."""
    greys = [20 * i for i in range(1, 11)]
    (tmp_path / "previews").mkdir()
    for i, grey in enumerate(greys):
        Image.new("RGB", (16, 16), (grey,) * 3).save(tmp_path / "previews" / f"step-{500 * i:06d}.png")
    join_previews(TextualInversion(**CAT), tmp_path)
    strip = np.asarray(Image.open(tmp_path / "previews.png"))
    assert strip.shape == (2 * 180, 8 * 160, 3)
    found = [strip[180 * (i // 8) + 100, 160 * (i % 8) + 80, 0] for i in range(10)]
    assert found == greys
    assert strip[:20, :160].min() < 128


def test_a_class_word_of_several_tokens_is_averaged_and_that_is_said(pipe, photos, tmp_path):
    with pytest.warns(UncollapseWarning, match="'small cat' is 2 tokens"):
        trajectory = learn(pipe, photos, tmp_path / "out", class_word="small cat", checkpoint_steps=[0])
    ids = anchor_token_ids(pipe.tokenizer, "small cat")
    rows = table_of(pipe)[ids]
    [start] = read(trajectory.path(trajectory.checkpoints[0])).vectors.values()
    torch.testing.assert_close(start[0], norm(rows).mean() * unit(rows.sum(0)))


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"placeholder": "cat"}, AnchorError, "itself"),
        ({"placeholder": "dog"}, PlaceholderError, "'dog' is a word already"),
        ({"placeholder": "my dog"}, PlaceholderError, "several words"),
        ({"placeholder": " "}, TrainingError, "must name"),
        ({"class_word": ""}, AnchorError, "nothing"),
        ({"vectors": 9}, TrainingError, "1 to 8"),
        ({"steps": 0}, TrainingError, "at least 1"),
        ({"lr": 0}, TrainingError, "greater than 0"),
        ({"pull": -1}, TrainingError, "negative"),
        ({"pull": 1, "norm_preserving": True}, TrainingError, "kappa"),
        ({"checkpoint_steps": [5]}, TrainingError, "between 0 and 4"),
        ({"mixed_precision": "int8"}, TrainingError, "one of"),
        ({"optimizer": "Adam5"}, TrainingError, "none of that name"),
        ({"optimizer": "nothing.of.that"}, TrainingError, "none of that name"),
        ({"optimizer": "torch.nn.Linear"}, TrainingError, "is no optimiser"),
        ({"optimizer": "lr_scheduler"}, TrainingError, "is no optimiser"),
        ({"preview_every": 2}, TrainingError, "validation_prompt"),
        ({"validation_prompt": "a photo of a cat"}, TrainingError, "mention"),
        ({"tensorboard": True}, TrainingError, "pip install tensorboard"),
        ({"lr": 1e30, "optimizer": "SGD"}, TrainingError, "diverged"),
    ],
)
def test_bad_settings_are_one_sentence_and_leave_the_pipeline_alone(
    pipe, photos, tmp_path, monkeypatch, settings, error, words
):
    monkeypatch.setattr("uncollapse.training.loop._installed", lambda package: False)
    before = everything(pipe)
    with pytest.raises(error, match=words):
        learn(pipe, photos, tmp_path / "out", **settings)
    assert_same(before, everything(pipe))


def test_photos_are_refused_before_anything_starts(pipe, photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(FileFormatError, match=r"broken\.jpg"):
        learn(pipe, photos, tmp_path / "out")
    with pytest.raises(FileFormatError, match="holds no PNG"):
        learn(pipe, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_fewer_than_three_photos_are_a_warning_and_many_are_refused(pipe, tmp_path):
    with pytest.warns(UncollapseWarning, match="holds 2 photos"):
        learn(pipe, make_photos(tmp_path / "two", 2), tmp_path / "out", steps=1)
    many = make_photos(tmp_path / "many", 1)
    for i in range(31):
        (many / f"copy-{i}.png").write_bytes((many / "0.png").read_bytes())
    with pytest.raises(TrainingError, match="32 photos"):
        learn(pipe, many, tmp_path / "none")


def test_a_pipeline_that_nobody_trains_here_is_named(photos, tmp_path):
    with pytest.raises(PipelineError, match="PixArtSigmaPipeline cannot be trained"):
        learn(build("PixArt"), photos, tmp_path / "out")
    with pytest.raises(PipelineError, match="DreamBoothLoRA"):
        learn(build("Flux"), photos, tmp_path / "out", resolution=16)


def test_a_pipeline_without_a_text_encoder_that_learns_is_named(pipe, photos, tmp_path):
    table = pipe.text_encoder.get_input_embeddings().weight
    whole = torch.nn.Embedding(*table.shape, _weight=table.to(torch.int8), _freeze=True)
    pipe.text_encoder.set_input_embeddings(whole)
    with pytest.raises(TrainingError, match=r"CLIPTextModel is quantised \(torch.int8\).*float32"):
        learn(pipe, photos, tmp_path / "out")
    pipe.text_encoder = None
    with pytest.raises(PipelineError, match="without its text_encoder"):
        learn(pipe, photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_a_training_is_not_overwritten(pipe, photos, tmp_path):
    learn(pipe, photos, tmp_path / "out", steps=1)
    with pytest.raises(OutputError, match="holds a training already"):
        learn(pipe, photos, tmp_path / "out", steps=1)


def test_what_was_learned_draws_other_pictures_than_the_class_word(photos, tmp_path):
    learn(make_pipeline(), photos, tmp_path / "out", lr=0.1)
    pipe = make_pipeline()
    load_into(pipe, tmp_path / "out")
    assert not torch.equal(generate(pipe, "a photo of <my-cat>"), generate(pipe, "a photo of cat"))
