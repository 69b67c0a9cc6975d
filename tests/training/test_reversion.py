"""ReVersion: each photo learns from its own prompt, and the steering loss does what it is for."""

import pytest
import torch

from toys.pipelines import WIDTH
from toys.states import assert_same, everything
from toys.trainings import make_photos, write_captions
from toys.whole_pipelines import build
from uncollapse.anchors import anchor_token_ids
from uncollapse.errors import FileFormatError, PipelineError, TrainingError
from uncollapse.geometry import unit
from uncollapse.learned_embeds import load_into, read
from uncollapse.training import Reversion, train
from uncollapse.training.families import family_of
from uncollapse.training.latents import Latents
from uncollapse.training.learner import Task
from uncollapse.training.steering import basis_rows, steering_loss
from uncollapse.trajectory import read_trajectory

PROMPTS = {"0.png": "a cat <R> a hat", "1.png": "dog <R> car", "2.png": "a photo of a man <R> a bridge"}
RELATION = {"placeholder": "<R>", "class_word": "near", "batch_size": 2, "steps": 4}


@pytest.fixture
def photos(tmp_path):
    folder = make_photos(tmp_path / "photos")
    write_captions(folder, PROMPTS)
    return folder


def learn(pipe, photos, folder, **settings):
    return train(pipe, photos, folder, Reversion(**{**RELATION, **settings}))


def test_the_rows_move_and_nothing_else(pipe, photos, tmp_path):
    before = everything(pipe)
    trajectory = learn(pipe, photos, tmp_path / "out", checkpoint_steps=[0], vectors=2)
    assert_same(before, everything(pipe))
    assert trajectory == read_trajectory(tmp_path / "out")
    assert (trajectory.method, trajectory.placeholder) == ("reversion", "<R>")
    start, end = (read(trajectory.path(each)) for each in trajectory.checkpoints)
    near = pipe.text_encoder.get_input_embeddings().weight[anchor_token_ids(pipe.tokenizer, "near")]
    assert torch.equal(start.vectors["text_encoder"], near.detach().expand(2, WIDTH))
    assert (start.vectors["text_encoder"] != end.vectors["text_encoder"]).any(1).all()
    assert load_into(pipe, tmp_path / "out") == "<R>"
    write_captions(photos, PROMPTS | {"0.png": "a hat <R> a cat"})
    same = Reversion(**RELATION, checkpoint_steps=[0], vectors=2)
    with pytest.raises(TrainingError, match="learned from 3 captions, and here are 3, 1 of them new"):
        train(build("SD"), photos, tmp_path / "out", same, resume=True)


def test_both_encoders_of_sdxl_learn(photos, tmp_path):
    pipe = build("SDXL")
    before = everything(pipe)
    trajectory = learn(pipe, photos, tmp_path / "out", checkpoint_steps=[0])
    assert_same(before, everything(pipe))
    start, end = (read(trajectory.path(each)).vectors for each in trajectory.checkpoints)
    assert set(end) == {"clip_l", "clip_g"}
    assert all(not torch.equal(start[name], end[name]) for name in end)


def test_every_photo_is_paired_with_its_own_prompt(pipe, monkeypatch):
    """A photo's latents hold its number, so that a batch tells which photos it drew."""
    family, seen = family_of(pipe), []
    photos = Latents(torch.arange(3.0).view(3, 1, 1, 1).expand(3, 4, 8, 8))
    encode, losses = family.encode, family.losses
    monkeypatch.setattr(family, "encode", lambda prompts: seen.append(prompts) or encode(prompts))
    monkeypatch.setattr(
        family, "losses", lambda latents, *rest: seen.append((latents, rest)) or losses(latents, *rest)
    )
    task = Task(family, photos, None, {}, None, list(PROMPTS.values()))
    with Reversion(**{**RELATION, "batch_size": 5, "focus": 0.25}).learner(task) as learner:
        learner.loss(torch.Generator().manual_seed(0))
    prompts, (latents, rest) = seen
    assert prompts == [list(PROMPTS.values())[int(each)] for each in latents[:, 0, 0, 0]]
    assert len(set(prompts)) == 3
    assert rest[-1] == 0.25


def test_the_steering_loss_is_added_with_its_weight(pipe):
    photos = Latents(torch.zeros(3, 4, 8, 8))
    captions = list(PROMPTS.values())
    near = pipe.text_encoder.get_input_embeddings().weight[anchor_token_ids(pipe.tokenizer, "near")]
    found = {}
    for weight, steered in ((0.0, {}), (0.5, {"temperature": 0.2})):
        task = Task(family_of(pipe), photos, None, {}, None, captions)
        settings = Reversion(**RELATION, steering=weight, **steered)
        with settings.learner(task) as learner:
            found[weight] = learner.loss(torch.Generator().manual_seed(0)).item()
    [(positives, negatives)] = basis_rows(pipe, captions, "<R>").values()
    steering = steering_loss(near, positives, negatives, 0.2).item()
    assert found[0.5] - found[0.0] == pytest.approx(0.5 * steering, rel=1e-4)


@pytest.mark.thorough
def test_steering_keeps_the_relation_among_prepositions(pipe, photos, tmp_path):
    """It begins as a thing, and a strong steering loss alone has to bring it away from it."""
    [(positives, negatives)] = basis_rows(pipe, list(PROMPTS.values()), "<R>").values()

    def nearer(weight):
        folder = tmp_path / f"{weight}"
        learn(pipe, photos, folder, initialiser="hat", steering=weight, steps=60, lr=0.05)
        row = unit(read(folder).vectors["text_encoder"])
        return (row @ unit(positives).T).max().item() - (row @ unit(negatives).T).max().item()

    assert nearer(0.0) < 0 < nearer(10.0)


def test_it_goes_on_where_it_stopped(pipe, photos, tmp_path):
    learn(pipe, photos, tmp_path / "whole", steps=6)
    learn(pipe, photos, tmp_path / "out", steps=3)
    train(pipe, photos, tmp_path / "out", Reversion(**{**RELATION, "steps": 6}), resume=True)
    whole, resumed = (read(tmp_path / name).vectors["text_encoder"] for name in ("whole", "out"))
    torch.testing.assert_close(whole, resumed)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steering": -1}, "negative"),
        ({"temperature": 0}, "greater than 0"),
        ({"focus": 1.5}, "between 0 and 1"),
        ({"focus": -0.1}, "between 0 and 1"),
        ({"vectors": 0}, "1 to 8"),
    ],
)
def test_bad_settings_are_one_sentence(settings, words):
    with pytest.raises(TrainingError, match=words):
        Reversion(**{**RELATION, **settings})


def test_prompts_are_refused_before_anything_starts(pipe, photos, tmp_path):
    write_captions(photos, {**PROMPTS, "9.png": "a cat <R> a dog"})
    with pytest.raises(FileFormatError, match=r"line 4: '9\.png' is no photo"):
        learn(pipe, photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_without_prepositions_and_flux_are_refused(pipe, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("uncollapse.training.steering.PREPOSITIONS", ("betwixt",))
    with pytest.raises(TrainingError, match=r"steering=0\.01.*use 0"):
        learn(pipe, photos, tmp_path / "out")
    learn(pipe, photos, tmp_path / "free", steering=0)
    with pytest.raises(PipelineError, match="not for FluxPipeline"):
        learn(build("Flux"), photos, tmp_path / "out", resolution=16)
