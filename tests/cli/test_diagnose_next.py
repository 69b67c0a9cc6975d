"""What is proposed to be run next can be typed as it stands, and says what it does."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
import typer

import uncollapse as uc
from toys.comparisons import made_up
from toys.diagnoses import CONTEXTS, training_of
from toys.registries import as_it_was
from uncollapse.adjusters import ADJUSTERS, Adjuster, Places, Role, registered
from uncollapse.cli.app import make_app
from uncollapse.cli.diagnose_next import after_drawing, after_files, after_model, after_training
from uncollapse.comparison import Arm, parse_arm, tea_arms
from uncollapse.diagnosis import Diagnosis, diagnose_embeddings
from uncollapse.diagnosis.pictures import Pictures, PictureSettings
from uncollapse.diagnosis.probe import Probe
from uncollapse.diagnosis.verdict import Advice, Verdict
from uncollapse.learned_embeds import LearnedEmbedding
from uncollapse.metrics.sets.bootstrap import Interval
from uncollapse.subjects import Parts
from uncollapse.trajectory import Checkpoint
from uncollapse.vocabulary.tables import vocabularies_of

CONCEPT = uc.Concept("sks cat", "cat")
PARTS = Parts("my model", lora="l.safetensors")
DRAWN = made_up({"personalised": (0, 10), "TEA α 0.2": (7, 9)})
PROBED = Probe(*(Interval(0.1, 0.1, 0.1) for _ in range(4)), by_context=torch.zeros(4))


def typed(command):
    """The command's parameters, as the application reads them; it must know every word."""
    words = shlex.split(command)
    assert words.pop(0) == "uncollapse"
    group = typer.main.get_command(make_app())
    while hasattr(group, "commands"):
        group = group.commands[words.pop(0)]
    return group.make_context("it", words).params


def found(word="dominating", advice=None, *, pictures=None, probe=PROBED):
    drawn = pictures and Pictures(PictureSettings(pictures.prompts), pictures)
    verdict = word and Verdict(word, (), "denoiser", advice)
    return Diagnosis("m", "sks cat", "cat", verdict, probe=probe, pictures=drawn)


def after(diagnosis, given=None, *, seen=False):
    given = {"target": ("my model",), "lora": ("--lora", "l.safetensors"), **(given or {})}
    then = after_model(diagnosis, PARTS, CONCEPT, CONTEXTS, given, seen=seen)
    return then, typed(then.command)


def test_without_pictures_they_are_drawn_and_somebody_looks():
    then, asked = after(found(), {"json": ("--json",)})
    assert (asked["target"], asked["lora"]) == ("my model", "l.safetensors")
    assert (asked["images"], asked["clip"], asked["references"], asked["json"]) == (
        1,
        "CLIP",
        Path("PHOTOS"),
        False,
    )
    assert "CLIP stands for" in then.why
    assert "CLIP" not in after(found(), seen=True)[0].command
    _, asked = after(found(pictures=made_up()), {"images": ("--images", "2"), "clip": ("--clip", "c")})
    assert (asked["images"], asked["clip"], asked["references"]) == (2, "c", Path("PHOTOS"))


def test_without_the_denoiser_it_is_asked():
    _, asked = after(found("", probe=None), {"probe": ("--no-probe",)})
    assert asked["probe"] is True


def test_what_is_dominating_is_drawn_by_the_advice():
    [tea] = tea_arms([0.6], 1.0)
    then, asked = after(found(advice=Advice("cat", tea, ""), pictures=DRAWN))
    assert then.command.startswith(
        "uncollapse generate 'my model' --lora l.safetensors --placeholder 'sks cat' "
    )
    assert (asked["alpha"], asked["beta"], asked["compare"]) == ([0.6], 1.0, True)
    assert asked["prompt"] == ["a photo of sks cat in the snow"]


def test_what_a_preset_was_advised_for_is_drawn_by_the_preset():
    tuned = parse_arm("lora:text=0.25")
    known = found(advice=Advice("cat", tuned, ""), pictures=DRAWN)
    given = {"preset": ("--preset", "p.json"), "anyway": ("--anyway",)}
    asked = typed(after_model(known, PARTS, CONCEPT, CONTEXTS, given, seen=True, tuned=tuned).command)
    assert (asked["preset"], asked["anyway"], asked["arm"]) == (Path("p.json"), True, ())
    asked = typed(after_model(known, PARTS, CONCEPT, CONTEXTS, {}, seen=True).command)
    assert (asked["preset"], asked["arm"]) == (None, ["lora:text=0.25"])
    assert known.verdict.advice.sentence.startswith("Try text LoRA × 0.25. ")


def test_another_adjuster_is_named_with_its_settings():
    @dataclass(frozen=True)
    class Halfway(Adjuster):
        name: ClassVar[str] = "halfway"
        share_moved: float = 0.5

        def adjust(self, row, anchor, places):
            return row

    with as_it_was(ADJUSTERS):
        registered(Halfway)
        _, asked = after(found(advice=Advice("cat", Arm("x", Halfway(0.7)), ""), pictures=DRAWN))
        assert [parse_arm(each).adjuster for each in asked["arm"]] == [Halfway(0.7)]


def test_what_is_healthy_is_drawn_as_it_is_and_what_is_overlooked_trained_on():
    then, asked = after(found("healthy", pictures=DRAWN))
    adjuster = uc.Adjustment(asked["alpha"][0], asked["beta"], asked["norm_blend"])
    row = torch.randn(2, 8)
    torch.testing.assert_close(adjuster.adjust(row, torch.randn(2, 8), Places.all(Role.CONCEPT, row)), row)
    assert then.why.startswith("Nothing is to be cured.")
    then, asked = after(found("overlooked", pictures=DRAWN), {"references": ("--references", "my photos")})
    assert then.command.startswith("uncollapse train dreambooth-lora 'my photos' --model 'my model' ")


def test_a_training_goes_on_with_the_checkpoint_to_keep(tmp_path):
    pictures = [
        made_up({"personalised": (10, 0), "TEA α 0.4": (10, 0)}),
        made_up({"personalised": (2, 9), "TEA α 0.4": (6, 8)}),
    ]
    known = training_of([0.9, 0.3], pictures)
    steps = (Checkpoint(0, "0.safetensors"), Checkpoint(100, "1.safetensors"))
    known = replace(known, trajectory=replace(known.trajectory, folder=tmp_path, checkpoints=steps))
    then = after_training(known, "toy", CONTEXTS, {}, seen=True)
    asked = typed(then.command)
    assert (asked["model"], asked["lora"]) == ("toy", str(tmp_path / "1.safetensors"))
    assert (asked["alpha"], asked["anchor"]) == ([0.4], "cat")
    inversion = replace(known, trajectory=replace(known.trajectory, method="textual-inversion"))
    assert "--embedding" in after_training(inversion, "toy", CONTEXTS, {}, seen=True).command
    unknown = after_training(training_of([0.9, 0.3]), "toy", CONTEXTS, {"target": ("run",)}, seen=True)
    assert unknown.command == "uncollapse diagnose run --images 1"


def test_a_file_is_diagnosed_with_its_model(pipe, model):
    embedding = LearnedEmbedding("<t>", {"text_encoder": torch.randn(1, 32)})
    known = diagnose_embeddings([embedding], vocabularies_of(pipe), ["cat"], uc.Adjustment(), ["a b.pt"])
    then = after_files(known, [str(model)], {"target": ("a b.pt",)}, Path("out"))
    asked = typed(then.command)
    assert (asked["target"], asked["embedding"], asked["placeholder"], asked["anchor"]) == (
        str(model),
        "a b.pt",
        "<t>",
        "cat",
    )
    assert asked["output"] == Path("out-model")
    then = after_files(known, ["table.safetensors"], {}, Path("out"))
    assert typed(then.command)["target"] == "MODEL"
    assert "MODEL stands for" in then.why


def test_a_comparison_is_followed_by_a_diagnosis():
    asked = typed(after_drawing(PARTS, CONCEPT).command)
    assert (asked["target"], asked["lora"], asked["placeholder"]) == ("my model", "l.safetensors", "sks cat")
    assert typed(after_drawing(Parts(), CONCEPT).command)["target"] is None


@pytest.mark.parametrize("arm", [Arm("adapters off"), tea_arms([0.2], None, 0.5)[0]])
def test_any_arm_has_a_strength_that_can_be_typed(arm):
    _, asked = after(found(advice=Advice("cat", arm, ""), pictures=DRAWN))
    assert asked["norm_blend"] == (0.5 if arm.adjuster else 0)


@pytest.mark.parametrize(
    "text", ["switch:until=0.3", "compel:times=0.7", "tea:alpha=0.6,beta=1.0,norm_blend=none,encoders=pooled"]
)
def test_a_way_that_is_more_than_an_adjuster_is_typed_whole(text):
    _, asked = after(found(advice=Advice("cat", parse_arm(text), ""), pictures=DRAWN))
    [arm] = asked["arm"]
    assert parse_arm(arm) == parse_arm(text)
    assert not asked["alpha"]
