"""A folder is baked file by file, each as ``bake`` does it; what is left out is told; all of it is undone."""

import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from toys.adjusters import Projection
from toys.embedding_files import ANCHORS, OUTCOMES, Harmful, make_folder
from toys.pipelines import WIDTH
from uncollapse import baking_folders
from uncollapse.adjustment import Adjustment
from uncollapse.baking import bake, unbake
from uncollapse.baking_folders import bake_folder, unbake_folder
from uncollapse.errors import AdjustmentError, AnchorError, FileFormatError, OutputError
from uncollapse.learned_embeds import LearnedEmbedding, read, write
from uncollapse.vocabulary.tables import Vocabulary, load_vocabularies

ROWS = 9 * torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(0))
CAT = LearnedEmbedding("<my-cat>", {"text_encoder": ROWS})


@pytest.fixture(scope="module")
def vocabularies(model):
    return load_vocabularies(model)


@pytest.fixture(scope="module")
def thirty(vocabularies, tmp_path_factory):
    """The folder of thirty; nothing is written to it."""
    [vocabulary] = vocabularies.values()
    baked = tmp_path_factory.mktemp("baked") / "cat-tea.safetensors"
    bake(write(baked.with_name("cat.safetensors"), CAT), baked, vocabularies, "cat")
    folder = tmp_path_factory.mktemp("thirty")
    return make_folder(folder, vocabulary.anchor_vector, baked.read_bytes())


@pytest.fixture
def source(tmp_path):
    """One drifted file in a folder."""
    write(tmp_path / "in" / "my-cat.safetensors", CAT)
    return tmp_path / "in"


def words(outcomes, folder):
    return {each.file.relative_to(folder).as_posix(): each.word for each in outcomes}


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_thirty_mixed_files_are_baked_told_and_undone(vocabularies, thirty, tmp_path):
    assert len(OUTCOMES) == 30
    before = {path: path.read_bytes() for path in thirty.rglob("*") if path.is_file()}
    found = list(bake_folder(thirty, tmp_path / "out", vocabularies, anchors=ANCHORS))
    assert words(found, thirty) == OUTCOMES
    baked = [each for each in found if each.word == "baked"]
    assert {each.output for each in baked} == {path for path in tmp_path.rglob("*") if path.is_file()}
    for each in baked:
        name = each.file.relative_to(thirty)
        assert each.output == (tmp_path / "out" / name).with_suffix(".safetensors")
        stated = ANCHORS.get(name.as_posix())
        assert (each.anchor, each.origin) == ((stated, "given") if stated else ("cat", "stated"))
    for each in found:
        if each.word in ("foreign", "failed"):
            assert str(each.notes[0]).startswith(str(each.file))
    back = list(unbake_folder(tmp_path / "out", tmp_path / "back"))
    assert {each.word for each in back} == {"given back"}
    undone = {path.relative_to(tmp_path / "back"): path.read_bytes() for path in map(_output, back)}
    assert undone == {each.file.relative_to(thirty): each.file.read_bytes() for each in baked}
    assert {path: path.read_bytes() for path in thirty.rglob("*") if path.is_file()} == before


def _output(outcome):
    return outcome.output


def test_a_file_of_a_folder_is_baked_as_on_its_own(vocabularies, source, tmp_path):
    [outcome] = bake_folder(source, tmp_path / "out", vocabularies, "dog", Adjustment(0.4, 1.2))
    rows = bake(
        source / "my-cat.safetensors",
        tmp_path / "alone" / "my-cat.safetensors",
        vocabularies,
        "dog",
        Adjustment(0.4, 1.2),
    )
    assert list(outcome.rows) == rows
    assert outcome.output.read_bytes() == (tmp_path / "alone" / "my-cat.safetensors").read_bytes()


def test_only_files_of_several_tokens_are_stacked(vocabularies, source, tmp_path):
    save_file({"<s0>": ROWS[0], "<s1>": ROWS[1]}, source / "pivotal.safetensors")
    [one, several] = bake_folder(source, tmp_path / "out", vocabularies, "cat", stack=True)
    assert list(load_file(one.output)) == ["<my-cat>"]
    assert list(load_file(several.output)) == ["emb_params"]
    assert not several.notes
    [_, warned] = bake_folder(source, tmp_path / "keys", vocabularies, "cat")
    assert "ComfyUI and InvokeAI read the first alone" in str(warned.notes[0])


def test_a_second_run_does_only_what_is_missing(vocabularies, source, tmp_path):
    write(source / "a" / "my-dog.pt", CAT)
    assert {each.word for each in bake_folder(source, tmp_path / "out", vocabularies, "cat")} == {"baked"}
    kept = tmp_path / "out" / "my-cat.safetensors"
    (tmp_path / "out" / "a" / "my-dog.safetensors").unlink()
    changed = kept.stat().st_mtime_ns
    again = words(bake_folder(source, tmp_path / "out", vocabularies, "cat"), source)
    assert again == {"a/my-dog.pt": "baked", "my-cat.safetensors": "kept"}
    assert kept.stat().st_mtime_ns == changed


def other_strength(vocabularies, source):
    return vocabularies, "cat", Adjustment(0.4)


def other_norm(vocabularies, source):
    return vocabularies, "cat", Adjustment(0.2, None, 0.5)


def other_anchor(vocabularies, source):
    return vocabularies, "dog", Adjustment()


def other_source(vocabularies, source):
    write(source / "my-cat.safetensors", CAT.replace(metadata={"step": "2"}))
    return vocabularies, "cat", Adjustment()


def other_table(vocabularies, source):
    """Another model in a folder of the same name."""
    [one] = vocabularies.values()
    torch.manual_seed(5)
    other = Vocabulary(torch.randn_like(one.token_embeds), one.tokenizer, one.source)
    return {"text_encoder": other}, "cat", Adjustment()


@pytest.mark.parametrize(
    "change", [other_strength, other_norm, other_anchor, other_source, other_table], ids=lambda f: f.__name__
)
def test_what_was_baked_otherwise_is_replaced_only_if_asked(vocabularies, source, tmp_path, change):
    list(bake_folder(source, tmp_path / "out", vocabularies, "cat"))
    before = (tmp_path / "out" / "my-cat.safetensors").read_bytes()
    arguments = (source, tmp_path / "out", *change(vocabularies, source))
    [refused] = bake_folder(*arguments)
    assert (refused.word, refused.output) == ("refused", None)
    assert "my-cat.safetensors: exists already" in str(refused.notes[0])
    assert (tmp_path / "out" / "my-cat.safetensors").read_bytes() == before
    [replaced] = bake_folder(*arguments, overwrite=True)
    assert replaced.word == "baked"
    assert (tmp_path / "out" / "my-cat.safetensors").read_bytes() != before


def test_a_suggestion_that_is_clear_is_taken_and_one_by_chance_is_not(vocabularies, source, tmp_path):
    """Clear by the mean of the vectors, and one of them is astray: long and drifted."""
    cat = next(iter(vocabularies.values())).anchor_vector("cat")
    rows = torch.stack([60 * cat, 60 * cat, 60 * cat, -cat])
    write(source / "clear.safetensors", LearnedEmbedding("<my-cat>", {"text_encoder": rows}))
    clear, chance = bake_folder(source, tmp_path / "out", vocabularies)
    assert (clear.word, clear.anchor, clear.origin) == ("baked", "cat", "name")
    assert (chance.word, chance.output, chance.rows) == ("no anchor", None, ())
    assert chance.anchor in next(iter(vocabularies.values())).words


def test_no_two_files_are_written_to_one_place_and_none_over_another(vocabularies, source, tmp_path):
    write(source / "my-cat.pt", CAT)
    data = (source / "my-cat.safetensors").read_bytes()
    first, second = bake_folder(source, tmp_path / "out", vocabularies, "cat")
    assert (first.file.suffix, first.word, second.word) == (".pt", "baked", "refused")
    assert "my-cat.pt is. Rename one of them" in str(second.notes[0])
    first, second = bake_folder(source, source, vocabularies, "cat", overwrite=True)
    assert (first.word, second.word) == ("refused", "baked")
    assert "an embedding of its own" in str(first.notes[0])
    unbake(source / "my-cat.safetensors", source / "my-cat.safetensors", overwrite=True)
    assert (source / "my-cat.safetensors").read_bytes() == data


def test_the_folder_itself_is_written_to_only_if_asked(vocabularies, source):
    data = (source / "my-cat.safetensors").read_bytes()
    with pytest.raises(OutputError, match="is the folder that the files are in"):
        bake_folder(source, source / ".." / source.name, vocabularies, "cat")
    assert (source / "my-cat.safetensors").read_bytes() == data
    assert [each.word for each in bake_folder(source, source, vocabularies, "cat", overwrite=True)] == [
        "baked"
    ]
    again = [each.word for each in bake_folder(source, source, vocabularies, "cat", overwrite=True)]
    assert again == ["baked already"]
    assert [each.word for each in unbake_folder(source, source, overwrite=True)] == ["given back"]
    assert (source / "my-cat.safetensors").read_bytes() == data


def test_an_output_within_the_folder_is_not_gone_through(vocabularies, source):
    for word in ("baked", "kept"):
        found = words(bake_folder(source, source / "tea", vocabularies, "cat"), source)
        assert found == {"my-cat.safetensors": word}


def test_an_output_around_the_folder_is_no_hindrance(vocabularies, source, tmp_path):
    found = words(bake_folder(source, tmp_path, vocabularies, "cat"), source)
    assert found == {"my-cat.safetensors": "baked"}
    assert files(tmp_path) == {"my-cat.safetensors", "in/my-cat.safetensors"}


def test_what_holds_for_all_is_said_before_anything_is_written(vocabularies, source, tmp_path):
    out = tmp_path / "out"
    [vocabulary] = vocabularies.values()
    dumb = {"text_encoder": Vocabulary(vocabulary.token_embeds)}
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    cases = [
        ((source, out, vocabularies, " "), {}, AnchorError, "The anchor is empty"),
        ((source, out, vocabularies), {"anchors": {"gone.pt": "cat"}}, AnchorError, "names 'gone.pt'"),
        ((source, out, vocabularies), {"anchors": {"my-cat.safetensors": ""}}, AnchorError, "is empty"),
        ((source, out, vocabularies, "cat", Projection()), {}, AdjustmentError, "meant for prompts"),
        ((source, out, dumb), {}, FileFormatError, "no tokenizer beside it"),
        ((tmp_path / "empty", out, vocabularies), {}, FileFormatError, "a folder without an embedding file"),
        ((source, tmp_path / "file", vocabularies), {}, OutputError, "is a file"),
    ]
    for arguments, options, error, message in cases:
        with pytest.raises(error, match=message):
            bake_folder(*arguments, **options)
    assert not out.exists()


def test_where_the_system_refuses_it_stops(vocabularies, source, tmp_path):
    """A full disk would refuse every file that follows; here a file stands where a folder has to be."""
    write(source / "a" / "my-dog.safetensors", CAT)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("")
    outcomes = bake_folder(source, tmp_path / "out", vocabularies, "cat")
    with pytest.raises(OutputError, match="Cannot write to"):
        next(outcomes)
    assert files(tmp_path / "out") == {"a"}


def test_a_file_that_the_system_does_not_open_stops_nothing(vocabularies, source, tmp_path, monkeypatch):
    write(source / "a" / "my-dog.safetensors", CAT)
    whole = baking_folders.read_all

    def read_all(file):
        if file.stem == "my-dog":
            raise FileFormatError(f"{file}: cannot be read.") from PermissionError()
        return whole(file)

    monkeypatch.setattr(baking_folders, "read_all", read_all)
    found = words(bake_folder(source, tmp_path / "out", vocabularies, "cat"), source)
    assert found == {"a/my-dog.safetensors": "failed", "my-cat.safetensors": "baked"}


def test_unbaking_keeps_what_is_there_and_replaces_nothing(vocabularies, source, tmp_path):
    list(bake_folder(source, tmp_path / "tea", vocabularies, "cat"))
    write(tmp_path / "tea" / "plain.safetensors", CAT)
    (tmp_path / "tea" / "short.safetensors").write_bytes(b"damaged")
    (tmp_path / "tea" / "harmful.pt").write_bytes(pickle.dumps({"<t>": Harmful()}))
    back = tmp_path / "back"
    for word in ("given back", "kept"):
        assert words(unbake_folder(tmp_path / "tea", back), tmp_path / "tea") == {
            "harmful.pt": "not baked",
            "my-cat.safetensors": word,
            "plain.safetensors": "not baked",
            "short.safetensors": "failed",
        }
    (back / "my-cat.safetensors").write_bytes(b"something else")
    assert words(unbake_folder(tmp_path / "tea", back), tmp_path / "tea")["my-cat.safetensors"] == "refused"
    replaced = words(unbake_folder(tmp_path / "tea", back, overwrite=True), tmp_path / "tea")
    assert replaced["my-cat.safetensors"] == "given back"
    assert (back / "my-cat.safetensors").read_bytes() == (source / "my-cat.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("name", "written"),
    [("../../evil.safetensors", {"my-cat.safetensors"}), ("/tmp/evil.pt", {"my-cat.pt"}), ("x.py", set())],
)
def test_a_stranger_s_file_does_not_say_where_it_is_written(vocabularies, source, tmp_path, name, written):
    [outcome] = bake_folder(source, tmp_path / "tea", vocabularies, "cat")
    embedding = read(outcome.output)
    edited = {**embedding.metadata, "uncollapse.source": name}
    write(outcome.output, embedding.replace(metadata=edited))
    before = files(tmp_path)
    list(unbake_folder(tmp_path / "tea", tmp_path / "out" / "back"))
    assert files(tmp_path) - before == {f"out/back/{each}" for each in written}
