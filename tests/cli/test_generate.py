"""``generate``: on the user's own model, on the bundled one, and on everything people get wrong."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import uncollapse as uc
from toys.clip import make_clip
from toys.miniature import toy_miniature
from toys.pictures import SIZE, picture
from toys.pipelines import add_lora, make_pipeline, save_lora
from uncollapse.cli import album
from uncollapse.cli import generate as command
from uncollapse.cli.app import make_app
from uncollapse.learned_embeds import LearnedEmbedding
from uncollapse.miniature import MINIATURES
from uncollapse.models.generation import GenerationSettings
from uncollapse.models.generation import generate as draw
from uncollapse.output import save_png

PROMPT = "a photo of sks cat in the snow"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model folder, a LoRA for it, an embedding for it, one too wide, one cut short."""
    folder = tmp_path_factory.mktemp("files")
    make_pipeline().save_pretrained(folder / "model")
    personalised = make_pipeline()
    add_lora(personalised)
    save_lora(personalised, folder / "lora")
    torch.manual_seed(3)
    for name, rows in (("cat", 9 * torch.randn(2, 32)), ("wide", torch.randn(1, 768))):
        embedding = LearnedEmbedding("<my-cat>", {"text_encoder": rows})
        uc.learned_embeds.write(folder / f"{name}.safetensors", embedding)
    (folder / "short.safetensors").write_bytes((folder / "cat.safetensors").read_bytes()[:60])
    (folder / "garbage.pt").write_bytes(b"hello world, no tensors")
    return folder


def run(*arguments, fast=True):
    steps = ["--steps", 2, "-n", 2] if fast else []
    return CliRunner().invoke(make_app(), ["generate", *map(str, [*arguments, *steps])])


def own(files, *arguments, **options):
    """With the user's model, LoRA, placeholder and anchor."""
    lora = files / "lora" / "pytorch_lora_weights.safetensors"
    base = [
        files / "model",
        "--lora",
        lora,
        "--placeholder",
        "sks cat",
        "--anchor",
        "cat",
        "--prompt",
        PROMPT,
    ]
    return run(*base, *arguments, **options)


def test_the_images_are_those_of_the_three_lines_of_python(files, tmp_path):
    result = own(files, "-o", tmp_path, "--alpha", 0.6, "--beta", 1.2, "--seed", 5)
    assert result.exit_code == 0, result.output
    assert "Ours is" not in result.stderr
    pipe = make_pipeline()
    pipe.load_lora_weights(files / "lora")
    with uc.apply(pipe, "sks cat", anchor="cat", alpha=0.6, beta=1.2):
        expected = draw(pipe, [PROMPT] * 2, [5, 6], GenerationSettings(num_inference_steps=2))
    written = sorted(tmp_path.iterdir())
    assert result.stdout.split("\n")[:-1] == [str(path) for path in written]
    assert [path.name for path in written] == [
        f"a-photo-of-sks-cat-in-the-snow-TEA-0.6-seed{seed}.png" for seed in (5, 6)
    ]
    for path, image in zip(written, expected, strict=True):
        assert np.abs(np.asarray(Image.open(path), dtype=int) - np.asarray(image, dtype=int)).max() <= 1


def test_prompts_that_begin_alike_keep_all_their_images(files, tmp_path):
    long = f"{PROMPT} {'very ' * 20}"
    result = own(files, "-o", tmp_path, "--prompt", long + "late", "--prompt", long + "early")
    assert result.exit_code == 0, result.output
    assert "Ours is --alpha 0/1/1 --beta 1; and uncollapse tune measures" in " ".join(result.stderr.split())
    assert len(list(tmp_path.iterdir())) == 3 * 2


def test_a_png_tells_how_it_was_made(files, tmp_path):
    data = json.loads(own(files, "-o", tmp_path, "--json", "--norm-blend", 0.5).stdout)
    settings = json.loads(Image.open(data["images"][1]).text["uncollapse"])
    parameters = Image.open(data["images"][1]).text["parameters"].split("\n")
    assert parameters[0] == PROMPT
    assert parameters[-1].startswith("Steps: 2, Seed: 1, Size: ")
    assert settings["seed"] == 1
    assert settings["prompt"] == PROMPT
    assert settings["anchor"] == "cat"
    assert settings["num_inference_steps"] == 2
    assert settings["adjustment"] == {"alpha": 0.2, "beta": None, "norm_blend": 0.5}


def test_other_settings_replace_no_picture_and_the_same_ones_do(files, tmp_path):
    for beta in (1.2, 1.5, 1.2):
        assert own(files, "-o", tmp_path, "--beta", beta).exit_code == 0
    stem = "a-photo-of-sks-cat-in-the-snow-TEA-0.2-seed"
    names = [f"{stem}{rest}.png" for rest in ("0-2", "0", "1-2", "1")]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    betas = [
        json.loads(Image.open(tmp_path / name).text["uncollapse"])["adjustment"]["beta"] for name in names
    ]
    assert betas == [1.5, 1.2, 1.5, 1.2]


def test_resume_draws_anew_for_another_training_under_the_same_name(files, tmp_path, monkeypatch):
    for step, weights in enumerate(([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]), 1):
        monkeypatch.setattr(command, "fingerprints", lambda *_, found=weights: {"unet": found})
        assert own(files, "-o", tmp_path, "--resume").exit_code == 0
        assert len(list(tmp_path.glob("*.png"))) == 2 * step


def test_ctrl_c_says_what_is_there_and_resume_draws_the_rest(files, tmp_path, monkeypatch):
    arguments = ("-o", tmp_path / "out", "--compare", "--batch-size", 1)
    assert own(files, "-o", tmp_path / "whole", "--compare", "--batch-size", 1).exit_code == 0
    kept = []

    def pressed_at_the_fourth(image, path, settings, **more):
        if len(kept) == 3:
            raise KeyboardInterrupt
        kept.append(path)
        return save_png(image, path, settings, **more)

    monkeypatch.setattr(album, "save_png", pressed_at_the_fourth)
    monkeypatch.setattr(sys, "argv", ["uncollapse", "generate", "--compare"])
    result = own(files, *arguments)
    assert result.exit_code == 130
    assert f"Stopped; 3 pictures are in '{tmp_path / 'out'}'" in result.stderr
    assert "uncollapse generate --compare --resume" in result.stderr
    monkeypatch.undo()
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert own(files, *arguments, "--resume").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    whole = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == whole
    for name in whole:
        if name.endswith("seed0.png") or name.endswith("seed1.png"):
            pair = [
                np.asarray(Image.open(tmp_path / folder / name), dtype=int) for folder in ("out", "whole")
            ]
            assert np.abs(pair[0] - pair[1]).max() <= 1


def test_an_embedding_is_adjusted_at_token_level(files, tmp_path):
    arguments = [files / "model", "--embedding", files / "cat.safetensors", "--placeholder", "<my-cat>"]
    arguments += ["--anchor", "cat", "--prompt", "a photo of <my-cat> in the snow", "--level", "token"]
    result = run(*arguments, "-o", tmp_path, "--alpha", 0.2, "--alpha", 1)
    assert result.exit_code == 0, result.output
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_compare_draws_a_sheet_scored_by_the_clip_given(files, tmp_path):
    model, tokenizer = make_clip()
    model.save_pretrained(tmp_path / "clip")
    tokenizer.save_pretrained(tmp_path / "clip")
    config = {"size": SIZE, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "clip" / "preprocessor_config.json").write_text(json.dumps(config))
    (tmp_path / "photos").mkdir()
    picture("purple", 40).save(tmp_path / "photos" / "1.jpg")
    result = own(
        files,
        "--compare",
        "-o",
        tmp_path / "out",
        "--clip",
        tmp_path / "clip",
        "--references",
        tmp_path / "photos",
    )
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"contact_sheet.png", "report.html", "results.json"} <= names
    assert len(names) == 3 + 3 * 2
    assert "CLIP-I photos" in " ".join(result.stdout.split())
    assert "a CLIP-I likeness of" in " ".join(result.stdout.split())


def test_a_model_that_is_itself_personalised_has_no_base_to_show(files, tmp_path):
    result = run(files / "model", *LORA, "--compare", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "no base model is drawn" in result.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [arm["name"] for arm in results["arms"]] == ["personalised", "TEA α 0.2"]
    assert "alpha" not in results["concept"]
    assert all((tmp_path / record["file"]).suffix == ".png" for record in results["records"])
    assert all((tmp_path / record["file"]).exists() for record in results["records"])


def test_compare_without_a_clip_claims_nothing(files, tmp_path):
    result = own(files, "--compare", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    assert "not measured" in result.stdout


def test_a_prompt_without_the_placeholder_is_drawn_unadjusted_with_one_warning(files, tmp_path):
    result = own(files, "--prompt", "a dog", "-o", tmp_path, "--alpha", 0.9, "-n", 6)
    assert result.exit_code == 0
    assert result.stderr.count("Warning") == 1
    assert "'a dog' does not mention 'sks cat', so it is drawn unadjusted" in result.stderr
    pipe = make_pipeline()
    pipe.load_lora_weights(files / "lora")
    [plain] = draw(pipe, ["a dog"], [0], GenerationSettings(num_inference_steps=2))
    drawn = Image.open(tmp_path / "2-a-dog-TEA-0.9-seed0.png")
    assert np.abs(np.asarray(drawn, dtype=int) - np.asarray(plain, dtype=int)).max() <= 1


LORA = ["--placeholder", "sks cat", "--anchor", "cat", "--prompt", PROMPT]
TOKEN = ["--placeholder", "<my-cat>", "--anchor", "cat", "--prompt", "a photo of <my-cat>"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{files}/missing", *LORA], "no model at"),
        (["{files}/lora", *LORA], "no model_index.json"),
        (["{files}/model", "--lora", "{files}/missing.safetensors", *LORA], "no LoRA at"),
        (["{files}/model", "--lora", "{files}/short.safetensors", *LORA], "damaged"),
        (["{files}/model", "--lora", "{files}/cat.safetensors", *LORA], "base model it was trained on"),
        (["{files}/model", "--embedding", "{files}/missing.safetensors", *TOKEN], "no such file"),
        (["{files}/model", "--embedding", "{files}/short.safetensors", *TOKEN], "cannot be read"),
        (["{files}/model", "--embedding", "{files}/wide.safetensors", *TOKEN], "768"),
        (
            ["{files}/model", "--embedding", "{files}/lora/pytorch_lora_weights.safetensors", *TOKEN],
            "entries",
        ),
        (["{files}/model", *TOKEN], "does not know '<my-cat>'"),
        (["{files}/model", *LORA, "--level", "token"], "no learned token"),
        (["{files}/model", *LORA, "--level", "token"], 'or pass --level="prompt"'),
        (["{files}/model", *LORA, "--device", "gpu"], "--device gpu: torch knows no such device here"),
        (["{files}/model", "--lora", "{files}/garbage.pt", *LORA], "garbage.pt' is damaged or no torch file"),
        (["nothere", "--prompt", PROMPT], "no model at 'nothere'"),
        (["{files}/model", *LORA, "--level", "word"], "Error: --level='word' is none of"),
        (["{files}/model", *LORA, "--anchor", "sks cat"], "anchor"),
        (["{files}/model", *LORA, "--anchor", " "], "anchor"),
        (["{files}/model", *LORA, "--encoders", "t5xxl"], "has no t5xxl. It has text_encoder, pooled"),
        (["{files}/model", *LORA, "--encoders", "+"], "Error: --encoders='+' names no encoders"),
        (["{files}/model", *LORA, "--alpha", "-0.1"], "Error: --alpha=-0.1 is out of range"),
        (["{files}/model", *LORA, "--alpha", "1.1"], "alpha"),
        (["{files}/model", *LORA, "--beta", "0"], "beta"),
        (["{files}/model", *LORA, "--beta", "-1"], "beta"),
        (["{files}/model", *LORA, "--beta", "1", "--norm-blend", "0.5"], "--beta and --norm-blend are two"),
        (["{files}/model", *LORA, "--references", "{files}/model", "--compare"], "holds no PNG"),
        (["{files}/model", *LORA, "--clip", "{files}/model", "--compare"], "CLIP"),
        (["{files}/model", *LORA, "--references", "{files}/model"], "--references is for --compare"),
        (["{files}/model", *LORA, "--clip", "{files}/model"], "--clip is for --compare"),
        (["{files}/model", *LORA, "--guidance", "1", "--negative-prompt", "x"], "--negative-prompt changes"),
        (["{files}/model", *LORA, "--guidance", "1", "--negative-encoder", "base"], "--negative-encoder ch"),
        (
            ["{files}/model", "--embedding", "{files}/cat.safetensors", *TOKEN, "--anchor-encoder", "tuned"],
            "--anchor-encoder changes nothing at token level",
        ),
        (["--prompt", PROMPT, "--device", "cuda"], "--device cuda: a miniature's own concept runs with cpu"),
        (["--prompt", PROMPT, "--dtype", "float16"], "--dtype float16"),
        (
            ["{files}/model", *LORA, "--width", "65", "--height", "64"],
            "--width 65: this model draws multiples of 8",
        ),
        (["{files}/model", *LORA, "--width", "64"], "--width=64: there are pipelines that pass over one"),
        (
            ["{files}/model", *LORA, "--height", "4", "--width", "8"],
            "--height 4: this model draws multiples of 8 pixels only. Give 8.",
        ),
        (["{files}/model", *LORA, "--dtype", "int4"], "int4"),
        (["{files}/model", "--anchor", "cat", "--prompt", PROMPT], "--placeholder"),
        (["{files}/model", "--placeholder", "sks", "--prompt", PROMPT], "--anchor"),
        (["{files}/model", *LORA, "--custom-diffusion", "{files}/none"], "no Custom Diffusion weights"),
        (["{files}/model", *LORA, "--custom-diffusion", "{files}/cat.safetensors"], "no Custom Diffusion"),
        (["{files}/model", *LORA, "--output", "{files}/cat.safetensors/out"], "is a file"),
        (["{files}/model", *LORA, "--output", "/proc/out"], "Cannot write"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(files, tmp_path, arguments, words):
    arguments = [argument.format(files=files) for argument in arguments]
    output = [] if "--output" in arguments else ["--output", tmp_path / "out"]
    result = run(*arguments, *output)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_without_an_anchor_the_placeholders_last_word_is_taken_and_said(files, tmp_path):
    words = ["--placeholder", "sks cat", "--prompt", PROMPT]
    result = run(files / "model", *words, "-o", tmp_path / "own")
    assert result.exit_code == 0, result.output
    assert "Anchor: 'cat', the last word of 'sks cat'." in result.stderr
    run(files / "model", *words, "--anchor", "cat", "-o", tmp_path / "given")
    for one, two in zip(
        sorted((tmp_path / "own").iterdir()), sorted((tmp_path / "given").iterdir()), strict=True
    ):
        assert np.array_equal(Image.open(one), Image.open(two))


def test_without_an_anchor_an_embeddings_is_suggested_with_its_cosine(files, tmp_path):
    """The name says "cat"; the rows are random, which is no nearer than chance."""
    arguments = ["--embedding", files / "cat.safetensors", "--placeholder", "<my-cat>"]
    result = run(files / "model", *arguments, "--prompt", "a photo of <my-cat>", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert re.search(r"Anchor: 'cat' \(cosine -?\d\.\d\d, name\)", result.stderr)
    assert "no nearer to '<my-cat>' than chance" in result.stderr


def test_an_embedding_that_states_its_placeholder_needs_none(files, tmp_path):
    arguments = [
        "--embedding",
        files / "cat.safetensors",
        "--anchor",
        "cat",
        "--prompt",
        "a photo of <my-cat>",
    ]
    result = run(files / "model", *arguments, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "Warning" not in result.stderr


def test_custom_diffusion_is_loaded_and_has_no_base_arm(files, tmp_path):
    delta = {"unet": {}, "modifier_token": {"<new1>": torch.randn(32)}}
    torch.save(delta, tmp_path / "delta.bin")
    arguments = ["--custom-diffusion", tmp_path, "--placeholder", "<new1> cat", "--anchor", "cat"]
    result = run(
        files / "model",
        *arguments,
        "--prompt",
        "a photo of <new1> cat",
        "-o",
        tmp_path / "o",
        "--compare",
        "--json",
    )
    assert result.exit_code == 0, result.output
    assert "no base model is drawn" in result.stderr
    assert "base" not in json.loads(result.stdout)["arms"]


def test_an_unknown_option_is_exit_code_2():
    assert run("--no-such-option").exit_code == 2


def test_without_a_model_the_bundled_concept_is_drawn(monkeypatch, tmp_path):
    monkeypatch.setitem(MINIATURES, "unet", toy_miniature(tmp_path / "miniature"))
    result = run("--prompt", PROMPT, "-o", tmp_path / "out", "--compare")
    assert result.exit_code == 0, result.output
    assert "CLIP-I likeness" in " ".join(result.stdout.split())
    unknown = run("--prompt", "a photo of sks dragon", "--placeholder", "sks dragon", "-o", tmp_path / "none")
    assert unknown.exit_code == 2
    assert "was taught no concept 'sks dragon'" in unknown.stderr


def test_the_installed_command_fails_without_a_traceback(tmp_path):
    command = [
        sys.executable,
        "-m",
        "uncollapse",
        "generate",
        tmp_path / "none",
        *LORA,
        "-o",
        tmp_path / "out",
    ]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: There is no model at")
    assert "Traceback" not in result.stderr
