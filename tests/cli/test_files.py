"""``inspect``, ``bake`` and ``unbake``: what they print and write, and one sentence for what goes wrong."""

import json
import pickle
import re
import subprocess
import sys

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

import uncollapse as uc
from toys.embedding_files import ANCHORS, OUTCOMES, Harmful, make_folder
from toys.pipelines import WIDTH, make_pipeline
from uncollapse import baking_folders
from uncollapse.cli.app import make_app
from uncollapse.learned_embeds import LearnedEmbedding, read, write
from uncollapse.vocabulary.tables import load_vocabularies


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """A model, its checkpoint and a quantised one, embeddings that fit it, and some that nobody can use."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "model").symlink_to(model)
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


@pytest.fixture
def thirty(files, tmp_path):
    """A folder of thirty files, and the JSON that names their anchors."""
    [vocabulary] = load_vocabularies(files / "model").values()
    bake(files, "--anchor", "cat", "-o", tmp_path / "cat-tea.safetensors")
    make_folder(tmp_path / "in", vocabulary.anchor_vector, (tmp_path / "cat-tea.safetensors").read_bytes())
    (tmp_path / "anchors.json").write_text(json.dumps(ANCHORS))
    return tmp_path / "in"


def of_folder(files, source, *arguments):
    return run("bake", source, "--model", files / "model", *arguments)


def test_a_folder_is_baked_loaded_by_plain_diffusers_and_undone(files, thirty, tmp_path):
    options = ["--anchors", tmp_path / "anchors.json", "--stack", "-o", tmp_path / "out"]
    result = of_folder(files, thirty, *options)
    assert result.exit_code == 1, result.output  # three of the files cannot be read
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    rows = {name: line for name, line in rows.items() if name in OUTCOMES}
    assert set(rows) == {name for name in OUTCOMES if "preview" not in name}
    assert all(OUTCOMES[name] in line for name, line in rows.items())
    assert max(map(len, rows.values())) <= 80
    *_, summary, output = result.stdout.splitlines()
    assert set(summary[:-1].split(", ")) == {
        "13 baked", "2 in place", "1 baked already", "8 foreign", "1 no anchor", "3 failed",
        "2 pictures without an embedding",
    }  # fmt: skip
    assert output == str(tmp_path / "out")
    for name in ("short.safetensors", "nan.safetensors", "harmful.pt", "lora.safetensors"):
        assert f"Warning: {thirty / name}: " in result.stderr
    assert "preview" not in result.stderr
    assert "1 file does not say what it is" in result.stderr
    pipe = make_pipeline()
    for i, path in enumerate(sorted((tmp_path / "out").rglob("*.safetensors"))):
        pipe.load_textual_inversion(str(path), token=f"<t{i}>")
        [expected] = read(path).vectors.values()
        names = [f"<t{i}>", *(f"<t{i}>_{k}" for k in range(1, len(expected)))]
        table = pipe.text_encoder.get_input_embeddings().weight
        loaded = table[pipe.tokenizer.convert_tokens_to_ids(names)]
        assert torch.equal(loaded, expected.to(loaded))
    assert i == 12
    undone = run("unbake", tmp_path / "out", "-o", tmp_path / "back")
    assert undone.exit_code == 0, undone.output
    assert undone.stdout.splitlines()[-2:] == ["13 given back.", str(tmp_path / "back")]
    for name, word in OUTCOMES.items():
        assert (tmp_path / "back" / name).exists() == (word == "baked")
        if word == "baked":
            assert (tmp_path / "back" / name).read_bytes() == (thirty / name).read_bytes()


def test_ctrl_c_keeps_what_is_baked_and_says_how_to_go_on(files, thirty, tmp_path, monkeypatch):
    options = ["--anchor", "cat", "-o", tmp_path / "out"]
    monkeypatch.setattr("sys.argv", ["uncollapse", "bake", str(thirty), "-o", "out"])
    whole, calls = baking_folders.adjusted_file, []

    def stopped(*arguments, **options):
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(whole(*arguments, **options))
        return calls[-1]

    with monkeypatch.context() as patched:
        patched.setattr(baking_folders, "adjusted_file", stopped)
        result = of_folder(files, thirty, *options)
    assert result.exit_code == 130
    there = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len(there) == len(re.findall(r"^ *\S+ +baked +cat ", result.stdout, re.MULTILINE)) >= 3
    assert f"of 30 files are done. Go on with:\nuncollapse bake {thirty} -o out\n" in result.stderr
    again = json.loads(of_folder(files, thirty, *options, "--json").stdout)
    words = {each["output"]: each["outcome"] for each in again["files"] if each["output"]}
    assert {path for path, word in words.items() if word == "kept"} == set(map(str, there))
    assert len(words) > len(there)
    assert {each["outcome"] for each in again["files"]} == {
        "baked", "kept", "in place", "baked already", "foreign", "failed",
    }  # fmt: skip
    one = next(each for each in again["files"] if each["outcome"] == "baked")
    assert (one["anchor"], one["origin"], one["notes"]) == ("cat", "given", one["notes"])
    assert {"norm_before", "cosine_after"} <= set(one["vectors"][0])


def test_exit_codes_of_folders(files, tmp_path):
    """0, all went as it should; 1, single files did not; 2, nothing was done."""
    write(tmp_path / "in" / "my-cat.safetensors", read(files / "cat.safetensors"))
    options = ["--anchor", "cat", "-o", tmp_path / "out"]
    assert of_folder(files, tmp_path / "in", *options).exit_code == 0
    assert of_folder(files, tmp_path / "in", *options).exit_code == 0
    refused = of_folder(files, tmp_path / "in", *options, "--alpha", 0.4)
    assert refused.exit_code == 1
    assert "another folder with --output, or --overwrite" in refused.stderr
    same = of_folder(files, tmp_path / "in", "--anchor", "cat", "-o", tmp_path / "in")
    check_refused(same, "is the folder that the files are in")
    (tmp_path / "out" / "my-cat.safetensors").rename(tmp_path / "out" / "learned_embeds.safetensors")
    assert run("unbake", tmp_path / "out", "-o", tmp_path / "back.safetensors").exit_code == 0
    assert (tmp_path / "back.safetensors").read_bytes() == (tmp_path / "in/my-cat.safetensors").read_bytes()
    to_file = of_folder(files, tmp_path / "in", "-o", tmp_path / "one.safetensors")
    check_refused(to_file, "A folder of them is baked to a folder: name one with --output.")


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "cannot be read as JSON"), ('["cat"]', "is no list of anchors"), ('{"a.pt": 3}', "is no list")],
)
def test_a_list_of_anchors_that_is_none_is_one_sentence(files, tmp_path, text, words):
    (tmp_path / "anchors.json").write_text(text)
    options = ["--anchors", tmp_path / "anchors.json", "-o", tmp_path / "out"]
    check_refused(of_folder(files, tmp_path, *options), words)
    options[-1] = tmp_path / "out.safetensors"
    check_refused(bake(files, *options), "--anchors is for folders")


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
    Image.new("RGB", (4, 4)).save(tmp_path / "a" / "near.preview.png")
    result = run("inspect", tmp_path, "--json", "--model", files / "model")
    assert result.exit_code == 1, result.output  # the damaged one
    assert [each["file"] for each in json.loads(result.stdout)] == [
        str(tmp_path / "a" / "near.safetensors"),
        str(tmp_path / "b" / "c" / "cat.safetensors"),
    ]
    assert result.stderr.count("Warning") == result.stderr.count("\n") == 1
    assert "short.safetensors: cannot be read" in result.stderr
    (tmp_path / "short.safetensors").unlink()
    save_file({"lora_a": torch.ones(2), "lora_b": torch.zeros(2)}, tmp_path / "lora.safetensors")
    shown = run("inspect", tmp_path, "--model", files / "model")
    assert shown.exit_code == 0, shown.output
    assert "It is a LoRA" in shown.stderr
    rows = {line.split()[0]: line.split() for line in shown.stdout.splitlines() if ".safetensors" in line}
    assert set(rows) == {"a/near.safetensors", "b/c/cat.safetensors"}
    assert rows["a/near.safetensors"][1:3] == ["<t>", "1"]
    assert rows["b/c/cat.safetensors"][2] == "2"
    assert shown.stdout.endswith("1 foreign, 1 picture without an embedding.\n")


def test_many_vectors_are_summed_up(files, tmp_path):
    """One is far longer than all, one near to no word: both are shown, and few others."""
    [vocabulary] = load_vocabularies(files / "model").values()
    rows = vocabulary.anchor_vector("cat").repeat(75, 1)
    rows[41] *= 50
    rows[17] = -rows[17]
    name = "<" + 500 * "t" + ">"
    many = write(tmp_path / "many.safetensors", LearnedEmbedding(name, {"text_encoder": rows}))
    result = run("inspect", many, "--model", files / "model")
    lines = result.stdout.splitlines()
    assert max(map(len, lines[2:])) <= 80
    assert name not in result.stdout
    assert f" {name[:19]}… " in run("inspect", tmp_path).stdout
    shown = [line.split()[0] for line in lines if re.match(r" *\d+ +\d+\.\d{3} ", line)]
    assert len(shown) == 6
    assert {"17", "41"} <= set(shown)
    assert "drifted: 1 of 75 vectors longer than 99 % of all words, 1 no nearer" in " ".join(lines)
    norms = rows.norm(dim=1)
    span = f"75 vectors, norms {norms.min():.3f}–{norms.max():.3f}"
    assert f"{span}; shown are the 6 most telling, --json has all." in lines
    printed = json.loads(run("inspect", many, "--model", files / "model", "--json").stdout)
    assert printed[0]["place"] == "drifted"
    assert len(printed[0]["vectors"]) == 75
    alone = run("inspect", many).stdout.splitlines()
    assert len([line for line in alone if re.fullmatch(r" *\d+ +\d+\.\d{3} *", line)]) == 6


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


@pytest.mark.thorough
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
        (["--anchor", "cat", "--model", "{files}/cat.safetensors"], "is an embedding, and no model"),
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


def test_the_commands_import_neither_diffusers_nor_transformers(files, tmp_path):
    code = (
        "import sys; from uncollapse.cli.app import make_app\n"
        "file, model, out = sys.argv[1:]; of = ['--model', model]\n"
        "make_app()(['bake', file, *of, '--anchor', 'cat', '-o', out], standalone_mode=False)\n"
        "make_app()(['inspect', out, *of], standalone_mode=False)\n"
        "print([name for name in ('diffusers', 'transformers', 'peft') if name in sys.modules])"
    )
    command = [
        sys.executable,
        "-c",
        code,
        files / "cat.safetensors",
        files / "model",
        tmp_path / "out.safetensors",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
