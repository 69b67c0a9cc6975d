"""``uncollapse tune`` on a toy model, whose pictures get the scores of the way they were drawn by."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from toys.clip import make_clip
from toys.diagnoses import model_and_lora
from toys.pictures import SIZE, picture
from toys.registries import as_it_was
from toys.trainings import make_photos
from uncollapse.cli import tune as command
from uncollapse.cli.app import make_app
from uncollapse.comparison import MEASURES, Given, Measure, clip_measure, declared
from uncollapse.concept import Concept
from uncollapse.metrics import ClipScorer, Preprocessing
from uncollapse.metrics.scores import first_that_answers, present
from uncollapse.models.generation import GenerationSettings
from uncollapse.subjects import Subject
from uncollapse.tuning import read_preset

FAMILY = ("tea:alpha=0.4,beta=1", "tea:alpha=0/1/1,beta=1", "lora:text=0")
SCORES = {
    "base": (30.0, 10.0),
    "personalised": (10.0, 90.0),
    "TEA α 0.4": (14.0, 88.0),
    "TEA α 0/1/1": (29.0, 82.0),
    "text LoRA × 0": (30.0, 50.0),
}


@pytest.fixture(autouse=True)
def scores(monkeypatch):
    """By arm; a test may change them."""
    found = dict(SCORES)
    monkeypatch.setattr("uncollapse.tuning.trials.family", lambda *_: FAMILY)
    monkeypatch.setattr("uncollapse.tuning.trials.HEARD", -9.0)  # what a toy hears says nothing
    monkeypatch.setattr(command, "family", lambda *_: FAMILY)
    with as_it_was(MEASURES):

        @declared("clip", gives=("clip_t_context", "clip_i"), needs=("model",), help="Who looks")
        def known(given: Given) -> Measure:
            def measure(images, prompts):
                pairs = [found[record.arm] for record in images._records]
                return [{"clip_t_context": context, "clip_i": likeness} for context, likeness in pairs]

            return measure

        yield found


@pytest.fixture
def photos(tmp_path):
    make_photos(tmp_path / "photos")
    return tmp_path / "photos"


def run(*arguments):
    result = CliRunner().invoke(make_app(), list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def words(text):
    return " ".join(text.split())


@pytest.fixture
def tune(diagnosed, photos, tmp_path):
    def run_it(*arguments, eyes=True):
        short = ("--placeholder", "sks cat", "--anchor", "cat", "--steps", 1, "--pictures", 20, "--rounds", 1)
        prompts = [part for text in ("snow", "forest") for part in ("--prompt", f"sks cat in the {text}")]
        seen = ("--photos", photos, "--clip", "any") if eyes else ()
        lora = (
            model_and_lora(diagnosed)[:3] if "--no-lora" not in arguments else model_and_lora(diagnosed)[:1]
        )
        given = [each for each in arguments if each != "--no-lora"]
        return run("tune", *lora, *short, *prompts, *seen, "-o", tmp_path / "out", *given)

    return run_it


def test_the_best_way_becomes_a_preset_that_generate_draws_by(tune, tmp_path, monkeypatch):
    result = tune()
    assert result.exit_code == 0, result.output
    assert "Best for “balance”: TEA α 0/1/1; 95% of the context that was lost is back" in words(result.stdout)
    assert read_preset(tmp_path / "out" / "preset.json").way == "tea:alpha=0/1/1,beta=1"
    for name in ("contact_sheet.png", "front.png", "front.svg", "report.html", "tuning.json"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    next_command = result.stdout.strip().splitlines()[-1]
    assert "--preset" in next_command
    drawn = run(*shlex.split(next_command)[1:], "--steps", 1, "-n", 1, "-o", tmp_path / "drawn")
    assert drawn.exit_code == 0, drawn.output
    [picture] = (tmp_path / "drawn").glob("*.png")
    assert "TEA-0-1-1" in picture.name


def test_a_stopped_run_takes_the_pictures_that_are_there(tune, tmp_path):
    first = json.loads(tune("--json").stdout)
    pictures = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "pictures").iterdir()}
    again = json.loads(tune("--json").stdout)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "pictures").iterdir()} == pictures
    assert again == first
    assert first["pictures"] == len(pictures)
    assert first["chosen"]["way"] == "tea:alpha=0/1/1,beta=1"
    assert {Path(path).name for path in first["files"].values()} >= {"preset.json", "report.html"}


def test_pictures_of_another_training_under_the_same_name_are_not_taken(
    tune, diagnosed, tmp_path, monkeypatch
):
    tune()
    before = set((tmp_path / "out" / "pictures").iterdir())
    monkeypatch.setattr(command, "fingerprints", lambda *_: {"unet": [1.0, 2.0, 3.0]})
    tune()
    added = set((tmp_path / "out" / "pictures").iterdir()) - before
    assert len(added) == len(before)


def test_ctrl_c_says_how_to_go_on(tune, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "tune_concept", stop)
    monkeypatch.setattr("sys.argv", ["uncollapse", "tune", "--keep", "context"])
    result = tune()
    assert result.exit_code == 130
    assert "Stopped; 0 pictures are in" in words(result.stderr)
    assert result.stderr.strip().endswith("uncollapse tune --keep context")


def test_a_healthy_concept_is_left_alone(tune, scores, tmp_path):
    scores["personalised"] = (29.9, 90.0)
    result = tune()
    assert result.exit_code == 0
    assert "there is nothing to tune" in words(result.stdout)
    assert "CLIP-T context 29.9 and 30.0" in words(result.stdout)
    assert result.stdout.strip().splitlines()[-1].startswith("uncollapse generate")
    assert not (tmp_path / "out" / "preset.json").exists()
    assert "there is nothing to tune" in (tmp_path / "out" / "report.html").read_text()


def test_a_collapse_that_text_does_not_reach_is_said_with_what_the_lora_s_scale_does(
    tune, scores, monkeypatch
):
    with_denoiser = (*FAMILY, "lora:denoiser=0.6")
    monkeypatch.setattr(command, "family", lambda *_: with_denoiser)
    scores |= dict.fromkeys(("TEA α 0.4", "TEA α 0/1/1", "text LoRA × 0"), (12.0, 89.0))
    scores |= {"denoiser LoRA × 0.6": (20.0, 40.0)}
    said = words(tune("--keep", "likeness 95%").stdout)
    assert "the most that a change of the text brings back is 10% of the context" in said
    assert (
        "denoiser LoRA × 0.6 50% of the context that was lost is back and 38% of the likeness is left" in said
    )


def test_turning_the_lora_down_is_called_what_it_is(tune, scores):
    scores["text LoRA × 0"] = (30.0, 90.0)
    assert "no adjustment: any program can do it" in words(tune().stdout)


def test_a_wish_that_none_meets_is_said(tune):
    assert "None of those that were tried keeps likeness 99%" in words(tune("--keep", "likeness 99%").stdout)


@pytest.mark.parametrize(
    ("arguments", "eyes", "says"),
    [
        ((), False, "give --photos, a folder of photos of the subject, and --clip"),
        (("--photos", "nowhere"), True, "There is no folder at 'nowhere'"),
        (("--keep", "everything"), True, "'everything' is no wish"),
        (("--prompt", "a dog in the rain"), True, "'a dog in the rain' does not mention 'sks cat'"),
        (("--pictures", 3), True, "3 pictures are too few for 2 prompts"),
        (("--no-lora",), True, "Give the one it was made from as --base"),
    ],
)
def test_bad_input_is_one_sentence(tune, arguments, eyes, says):
    result = tune(*arguments, eyes=eyes)
    assert result.exit_code == 2
    assert says in words(result.stderr)


def test_a_clip_looks_at_the_subject_apart_from_its_place():
    scorer = ClipScorer(*make_clip(), Preprocessing(SIZE, SIZE))
    images = [picture("red"), picture("blue")]
    subject = Subject(None, Concept("sks cat", "cat"), {}, [clip_measure(scorer, "cat", images)], images)
    prompts, measures, _ = command._trial(subject, ["sks cat in the snow"] * 4, GenerationSettings())
    given = [name for measure in measures for name in measure(images, prompts[:2])[0]]
    assert given == ["clip_t_context", "clip_t_concept", "clip_t_full", "clip_i", "clip_i_middle"]
    assert first_that_answers("likeness", present(set(given))).name == "clip_i_middle"
    without = replace(subject, measures=[clip_measure(scorer, "cat")], references=[])
    assert len(command._trial(without, ["sks cat in the snow"] * 4, GenerationSettings())[1]) == 1


def test_one_photo_is_said_to_be_few(tune, tmp_path):
    make_photos(tmp_path / "one", 1)
    said = words(tune("--photos", tmp_path / "one", "--keep", "everything").stderr)
    assert "'everything' is no wish" in said  # which is cheaper
    assert "holds one photo" in words(tune("--photos", tmp_path / "one", "--pictures", 3).stderr)


def test_a_lora_without_a_part_in_the_text_encoder_is_said_to_have_none(tune, diagnosed, tmp_path):
    whole = load_file(diagnosed / "lora" / "pytorch_lora_weights.safetensors")
    unet = {name: tensor for name, tensor in whole.items() if name.startswith("unet")}
    save_file(unet, tmp_path / "unet.safetensors")
    said = words(tune("--lora", tmp_path / "unet.safetensors", "--pictures", 3).stderr)
    assert "has no part in the text encoder that could be turned down" in said


@pytest.mark.parametrize("option", ["--photos", "--clip"])
def test_what_the_miniature_s_own_judge_does_not_look_at_is_refused(option, photos):
    result = run("tune", option, photos)
    assert result.exit_code == 2
    assert f"{option} changes nothing: the miniature's judge" in words(result.stderr)


def test_a_preset_for_other_weights_or_words_is_refused(tune, diagnosed, tmp_path):
    tune()
    preset = tmp_path / "out" / "preset.json"
    short = (
        "--steps",
        1,
        "-n",
        1,
        "-o",
        tmp_path / "drawn",
        "--prompt",
        "sks cat in the snow",
        "--preset",
        preset,
    )
    result = run("generate", diagnosed / "model", *short)
    assert result.exit_code == 2
    assert "measured with other weights (text_encoder, unet differ)" in words(result.stderr)
    result = run("generate", *model_and_lora(diagnosed)[:3], *short, "--anchor", "dog")
    assert result.exit_code == 2
    assert "--anchor is 'dog', and --preset was measured with 'cat'" in words(result.stderr)
    result = run("generate", *model_and_lora(diagnosed)[:3], *short, "--beta", 1)
    assert "--beta goes with --alpha, which is not given" in words(result.stderr)
    assert not list((tmp_path / "drawn").glob("*.png"))


def test_a_file_of_vectors_is_baked_by_a_preset_that_moves_them(tune, diagnosed, tmp_path):
    tune()
    preset = tmp_path / "out" / "preset.json"
    source = diagnosed / "embeddings" / "cat.safetensors"
    baked = tmp_path / "baked.safetensors"
    given = ("bake", source, "--model", diagnosed / "model", "-o", baked, "--preset", preset)
    result = run(*given)
    assert result.exit_code == 2
    assert "'TEA α 0/1/1' changes no learned vector" in words(result.stderr)
    data = json.loads(preset.read_text())
    preset.write_text(json.dumps(data | {"way": "tea:alpha=0.3,beta=1"}))
    assert "Leave --alpha, --beta and --norm-blend out" in words(run(*given, "--alpha", 0.4).stderr)
    assert run(*given).exit_code == 0
    by_hand = tmp_path / "by-hand.safetensors"
    options = ("--anchor", "cat", "--alpha", 0.3, "--beta", 1)
    run("bake", source, "--model", diagnosed / "model", "-o", by_hand, *options)
    from uncollapse.learned_embeds import read

    assert read(baked).vectors["text_encoder"].equal(read(by_hand).vectors["text_encoder"])
