"""``inspect``, ``bake`` and ``unbake``: what they print and write, and one sentence for what goes wrong."""

import json
import pickle
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import uncollapse as uc
from toys.embedding_files import Harmful
from toys.pipelines import WIDTH, make_pipeline
from uncollapse.cli.app import make_app
from uncollapse.learned_embeds import LearnedEmbedding, read, write
from uncollapse.vocabulary.tables import load_vocabularies


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model, its checkpoint and a quantised one, embeddings that fit it, and some that nobody can use."""
    folder = tmp_path_factory.mktemp("files")
    make_pipeline().save_pretrained(folder / "model")
    [vocabulary] = load_vocabularies(folder / "model").values()
    torch.manual_seed(3)
    rows = 9 * torch.randn(2, WIDTH)
    cat = write(folder / "cat.safetensors", LearnedEmbedding("<my-cat>", {"text_encoder": rows}))
    near = vocabulary.anchor_vector("beach")[None]
    write(folder / "near.safetensors", LearnedEmbedding("<t>", {"text_encoder": near}))
    two_keys = {"clip_l": rows, "clip_g": torch.randn(2, 1280)}
    write(folder / "sdxl.safetensors", LearnedEmbedding("<t>", two_keys))
    write(folder / "sd2.safetensors", LearnedEmbedding("<t>", {"text_encoder": torch.randn(1, 1024)}))
    save_file({"<t>": torch.full((1, WIDTH), torch.nan)}, folder / "nan.safetensors")
    (folder / "short.safetensors").write_bytes(cat.read_bytes()[:-8])
    (folder / "harmful.pt").write_bytes(pickle.dumps({"<t>": Harmful()}))
    key = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    save_file({key: vocabulary.token_embeds}, folder / "checkpoint.safetensors")
    save_file({key: vocabulary.token_embeds.to(torch.int8)}, folder / "int8.safetensors")
    return folder


def run(*arguments):
    return CliRunner().invoke(make_app(), list(map(str, arguments)))


def bake(files, *arguments, file="cat.safetensors", model="model"):
    return run("bake", files / file, "--model", files / model, *arguments)


def test_baking_and_unbaking(files, tmp_path):
    baked, back = tmp_path / "baked.safetensors", tmp_path / "back.safetensors"
    result = bake(files, "--anchor", "cat", "--alpha", 0.3, "--beta", 1.2, "-o", baked)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == str(baked)
    [vocabulary] = load_vocabularies(files / "model").values()
    rows = read(files / "cat.safetensors").vectors["text_encoder"]
    expected = uc.adjust(rows, vocabulary.anchor_vector("cat"), alpha=0.3, beta=1.2)
    assert torch.equal(read(baked).vectors["text_encoder"], expected)
    for row in (rows[0], expected[0]):
        assert f"{row.norm():.3f}" in result.stdout
    assert run("unbake", baked, "-o", back).exit_code == 0
    assert back.read_bytes() == (files / "cat.safetensors").read_bytes()


def test_a_checkpoint_needs_its_tokenizer(files, tmp_path):
    result = bake(files, "--anchor", "cat", "-o", tmp_path / "1.safetensors", model="checkpoint.safetensors")
    assert result.exit_code == 2
    assert (
        "checkpoint.safetensors' has no tokenizer beside it. Give the model's with --tokenizer"
        in result.stderr
    )
    options = ["--anchor", "cat", "--tokenizer", files / "model" / "tokenizer", "-o"]
    assert bake(files, *options, tmp_path / "1.safetensors", model="checkpoint.safetensors").exit_code == 0
    assert bake(files, *options, tmp_path / "2.safetensors").exit_code == 0
    one, two = (read(tmp_path / f"{i}.safetensors").vectors["text_encoder"] for i in (1, 2))
    assert torch.equal(one, two)


def test_the_norm_can_be_blended_instead(files, tmp_path):
    arguments = ["--anchor", "cat", "--norm-blend", 0.5, "--json", "-o", tmp_path / "baked.safetensors"]
    printed = json.loads(bake(files, *arguments).stdout)
    assert printed["anchor"] == "cat"
    assert [row["row"] for row in printed["vectors"]] == [0, 1]
    metadata = read(tmp_path / "baked.safetensors").metadata
    assert metadata["uncollapse.norm_blend"] == "0.5"
    assert "uncollapse.beta" not in metadata


def test_without_an_anchor_the_best_suggestion_is_taken_and_told(files, tmp_path):
    result = bake(files, "-o", tmp_path / "near-1.safetensors", file="near.safetensors")
    assert result.stderr.startswith("Anchor: 'beach' (cosine 1.00, nearest). Others: ")
    assert "Warning" not in result.stderr
    assert read(tmp_path / "near-1.safetensors").metadata["uncollapse.anchor"] == "beach"


def test_an_anchor_that_is_only_chance_is_not_baked_unless_asked_for(files, tmp_path):
    """The name says "cat"; the rows are random."""
    check_refused(
        bake(files, "-o", tmp_path / "cat-1.safetensors"), "No word is nearer to it than chance: 'cat' ("
    )
    assert not list(tmp_path.iterdir())
    assert bake(files, "--anchor", "cat", "-o", tmp_path / "cat-1.safetensors").exit_code == 0


def test_an_anchor_that_the_file_states_is_baked_with_a_warning(files, tmp_path):
    stated = read(files / "cat.safetensors").replace(metadata={"initialiser": "cat"})
    write(tmp_path / "stated.safetensors", stated)
    result = bake(
        tmp_path, "-o", tmp_path / "cat-1.safetensors", file="stated.safetensors", model=files / "model"
    )
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("Anchor: 'cat' (cosine ")
    assert "Warning: The anchor 'cat' is no nearer to '<my-cat>' than chance" in result.stderr


def test_inspecting_a_file(files):
    result = run("inspect", files / "near.safetensors", "--model", files / "model")
    assert result.exit_code == 0, result.output
    assert "beach 1.00" in result.stdout
    assert "× median" in result.stdout
    plain = run("inspect", files / "near.safetensors")
    assert "beach" not in plain.stdout
    assert "median" not in plain.stdout
    norm = read(files / "near.safetensors").vectors["text_encoder"].norm()
    assert f"{norm:.3f}" in result.stdout
    assert f"{norm:.3f}" in plain.stdout


def test_inspecting_a_baked_file_tells_where_it_comes_from(files, tmp_path):
    bake(files, "--anchor", "cat", "-o", tmp_path / "baked.safetensors")
    shown = run("inspect", tmp_path / "baked.safetensors").stdout
    assert "uncollapse.anchor: cat" in shown
    assert "uncollapse.alpha: 0.2" in shown
    assert max(map(len, shown.splitlines())) < 200  # the source it carries is not printed whole


def test_inspecting_as_json(files):
    result = run("inspect", files / "near.safetensors", "--model", files / "model", "--json", "--words", 2)
    [printed] = json.loads(result.stdout)
    assert (printed["placeholder"], printed["layout"], printed["metadata"]) == ("<t>", "diffusers", {})
    [row] = printed["vectors"]
    assert row["encoder"] == "text_encoder"
    assert len(row["nearest"]) == 2
    assert row["nearest"][0] == ["beach", pytest.approx(1, abs=1e-5)]
    assert 0 <= row["norm_percentile"] <= 100


def test_a_folder_is_gone_through_and_what_is_no_embedding_is_passed_over(files, tmp_path):
    for name in ("a/near", "b/c/cat", "short"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        source = files / f"{name.split('/')[-1]}.safetensors"
        (tmp_path / f"{name}.safetensors").write_bytes(source.read_bytes())
    (tmp_path / "notes.txt").write_text("not looked at")
    result = run("inspect", tmp_path, "--json", "--model", files / "model")
    assert result.exit_code == 0, result.output
    assert [each["file"] for each in json.loads(result.stdout)] == [
        str(tmp_path / "a" / "near.safetensors"),
        str(tmp_path / "b" / "c" / "cat.safetensors"),
    ]
    assert result.stderr.count("Warning") == result.stderr.count("\n") == 1
    assert "short.safetensors: cannot be read" in result.stderr


BAD = [
    ("sdxl.safetensors", "2 text encoders, clip_l (32) and clip_g (1280), but"),
    ("sd2.safetensors", "1024 components, the width of Stable Diffusion 2"),
    ("nan.safetensors", "NaN or infinity"),
    ("short.safetensors", "cannot be read as safetensors"),
    ("harmful.pt", "pickles that hold code are refused"),
    ("gone.safetensors", "no such file"),
    ("model/unet/diffusion_pytorch_model.safetensors", "no learned embedding in any known layout"),
]


def check_refused(result, words):
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("Error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(("name", "words"), BAD)
def test_bad_files_are_one_sentence(files, tmp_path, name, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_refused(bake(files, "--anchor", "cat", "-o", "out.safetensors", file=name), words)
    check_refused(run("inspect", files / name, "--model", files / "model"), words)
    prompt = ["--placeholder", "<x>", "--anchor", "cat", "--prompt", "a <x>", "-o", "out"]
    check_refused(run("generate", files / "model", "--embedding", files / name, *prompt), words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--anchor", ""], "The anchor is empty"),
        (["--anchor", "cat", "--alpha", "2"], "alpha"),
        (["--anchor", "cat", "--beta", "0"], "beta"),
        (["--anchor", "cat", "--model", "{files}/int8.safetensors"], "quantised"),
        (["--anchor", "cat", "--model", "{files}/gone"], "no model at"),
        (["--anchor", "cat", "--model", "{files}/cat.safetensors"], "has no token table"),
        (["--anchor", "cat", "--tokenizer", "{files}/cat.safetensors"], "no tokenizer that can be read"),
        (["--anchor", "cat", "-o", "out.pt"], "are written to .safetensors"),
        (["--anchor", "cat", "-o", "{files}/cat.safetensors"], "exists already"),
        (["--anchor", "cat", "-o", "{files}/cat.safetensors/out.safetensors"], "Cannot write"),
    ],
)
def test_bad_arguments_are_one_sentence_and_leave_nothing(files, tmp_path, arguments, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = (files / "cat.safetensors").read_bytes()
    arguments = [argument.format(files=files) for argument in arguments]
    arguments += [] if "-o" in arguments else ["-o", "out.safetensors"]
    arguments += [] if "--model" in arguments else ["--model", files / "model"]
    check_refused(run("bake", files / "cat.safetensors", *arguments), words)
    assert list(tmp_path.iterdir()) == []
    assert (files / "cat.safetensors").read_bytes() == source


def test_unbaking_what_was_not_baked_is_one_sentence(files, tmp_path):
    words = "was not made by uncollapse bake"
    check_refused(run("unbake", files / "cat.safetensors", "-o", tmp_path / "out.safetensors"), words)
    check_refused(run("inspect", tmp_path), "a folder without an embedding file")


def test_a_name_that_is_a_word_already_is_one_sentence(files, tmp_path):
    arguments = ["--placeholder", "cat", "--anchor", "dog", "--prompt", "a cat", "-o", tmp_path / "out"]
    result = run("generate", files / "model", "--embedding", files / "cat.safetensors", *arguments)
    check_refused(result, "cannot be called 'cat': the tokenizer has 'cat")


def test_the_command_imports_neither_diffusers_nor_transformers(files, tmp_path):
    code = (
        "import sys; from uncollapse.cli.app import make_app\n"
        "make_app()(['bake', *sys.argv[1:], '--anchor', 'cat'], standalone_mode=False)\n"
        "print([name for name in ('diffusers', 'transformers', 'peft') if name in sys.modules])"
    )
    arguments = [files / "cat.safetensors", "--model", files / "model", "-o", tmp_path / "out.safetensors"]
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_many_vectors_are_summed_up_and_json_has_each(files, tmp_path):
    rows = torch.randn(75, WIDTH) / WIDTH**0.5
    rows[:3] *= torch.tensor([[2.0], [0.5], [1.0]]) / rows[:3].norm(dim=1, keepdim=True)
    file = write(tmp_path / "many.safetensors", LearnedEmbedding("<t>", {"text_encoder": rows}))
    norms = rows.norm(dim=1)
    for model in ([], ["--model", files / "model"]):
        result = run("inspect", file, *model)
        assert result.exit_code == 0, result.output
        assert len(result.stdout.splitlines()) < 15
        assert f"{norms.min():.3f}–{norms.max():.3f}" in result.stdout
        assert "75 vectors, from least to most; --json has each." in result.stdout
        assert len(json.loads(run("inspect", file, *model, "--json").stdout)[0]["vectors"]) == 75
