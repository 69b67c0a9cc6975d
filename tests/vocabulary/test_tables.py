"""The token table is found wherever a model keeps it, and its words are near what a plain search says."""

import json

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from toys.pipelines import WIDTH, make_pipeline
from toys.tokenizers import make_tokenizer
from uncollapse.errors import AnchorError, FileFormatError, PipelineError
from uncollapse.vocabulary import Vocabulary, load_vocabularies


@pytest.fixture(scope="module")
def table():
    return make_pipeline().text_encoder.get_input_embeddings().weight.detach()


def test_a_pipeline_and_all_its_parts_have_the_same_table(model, table):
    shard = model / "text_encoder" / "model.safetensors"
    for path in (model, str(model / "text_encoder"), shard):
        vocabularies = load_vocabularies(path)
        assert list(vocabularies) == ["text_encoder"]
        assert torch.equal(vocabularies["text_encoder"].token_embeds, table)
        assert vocabularies["text_encoder"].anchor_vector("cat").shape == (WIDTH,)


def test_the_anchor_is_the_word_in_a_prompt(model, table):
    tokenizer = make_tokenizer()
    [vocabulary] = load_vocabularies(model).values()
    [expected] = tokenizer("cat", add_special_tokens=False)["input_ids"]
    assert torch.equal(vocabulary.anchor_vector("cat"), table[expected])
    assert torch.equal(vocabulary.anchor_vector(" CAT"), table[expected])
    with pytest.raises(AnchorError, match="knows no token"):
        vocabulary.anchor_vector("<|endoftext|>")


@pytest.mark.parametrize(
    ("key", "encoder"),
    [
        ("cond_stage_model.transformer.text_model.embeddings.token_embedding.weight", "text_encoder"),
        ("cond_stage_model.model.token_embedding.weight", "text_encoder"),
        ("text_model.embeddings.token_embedding.weight", "text_encoder"),
        ("shared.weight", "text_encoder"),
        ("conditioner.embedders.0.model.token_embedding.weight", "clip_g"),
        ("text_encoders.t5xxl.transformer.encoder.embed_tokens.weight", "t5xxl"),
    ],
)
def test_the_key_names_in_use_are_known(tmp_path, key, encoder):
    rows = torch.randn(8, 4)
    save_file({key: rows, "model.diffusion_model.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    found = load_vocabularies(tmp_path / "model.safetensors")
    assert list(found) == [encoder]
    assert torch.equal(found[encoder].token_embeds, rows)


def test_an_sdxl_checkpoint_has_two_tables(tmp_path, model):
    entries = {
        "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": torch.ones(
            608, 4
        ),
        "conditioner.embedders.1.model.token_embedding.weight": torch.ones(608, 6),
    }
    save_file(entries, tmp_path / "sdxl.safetensors")
    found = load_vocabularies(tmp_path / "sdxl.safetensors", model)
    assert {name: each.token_embeds.shape[-1] for name, each in found.items()} == {"clip_l": 4, "clip_g": 6}
    assert all(each.tokenizer.get_vocab_size() == 608 for each in found.values())


def test_a_pipeline_of_several_encoders_names_them_by_what_they_are(tmp_path, model):
    for suffix, width, kind in (("", 4, "clip_text_model"), ("_2", 6, "clip_text_model"), ("_3", 8, "t5")):
        folder = tmp_path / f"text_encoder{suffix}"
        folder.mkdir()
        key = "shared.weight" if kind == "t5" else "text_model.embeddings.token_embedding.weight"
        save_file({key: torch.ones(700, width)}, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps({"model_type": kind}))
        make_tokenizer("cat" if kind == "t5" else "dog").save_pretrained(tmp_path / f"tokenizer{suffix}")
    found = load_vocabularies(tmp_path)
    assert {name: each.token_embeds.shape[-1] for name, each in found.items()} == {
        "clip_l": 4,
        "clip_g": 6,
        "t5xxl": 8,
    }
    assert [each.words[-1] for each in found.values()] == ["dog", "dog", "cat"]


def test_of_files_of_one_encoder_each_the_width_says_which(tmp_path):
    for name, width in (("a", 1280), ("b", 768)):
        save_file({"token_embedding.weight": torch.ones(4, width)}, tmp_path / f"{name}.safetensors")
    assert list(load_vocabularies(sorted(tmp_path.iterdir()))) == ["clip_g", "clip_l"]


def test_the_plain_file_comes_first_shards_and_torch_files_too(tmp_path):
    table = {"token_embedding.weight": torch.ones(4, 2)}
    torch.save(table, tmp_path / "pytorch_model.bin")
    assert list(load_vocabularies(tmp_path)) == ["text_encoder"]
    save_file({"other": torch.ones(1)}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({k: 3 * v for k, v in table.items()}, tmp_path / "model-00002-of-00002.safetensors")
    assert load_vocabularies(tmp_path)["text_encoder"].token_embeds[0, 0] == 3
    save_file({k: 2 * v for k, v in table.items()}, tmp_path / "model.safetensors")
    assert load_vocabularies(tmp_path)["text_encoder"].token_embeds[0, 0] == 2


def test_a_file_of_the_current_folder_needs_no_path(tmp_path, monkeypatch, table):
    save_file({"shared.weight": table}, tmp_path / "clip_l.safetensors")
    monkeypatch.chdir(tmp_path)
    [vocabulary] = load_vocabularies("clip_l.safetensors").values()
    assert torch.equal(vocabulary.token_embeds, table)


def test_odd_configs_leave_an_encoder_the_name_of_its_folder(tmp_path, table):
    for text in ("[]", "3", "[" * 10**5):
        for name in ("text_encoder", "text_encoder_2"):
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            (folder / "config.json").write_text(text)
            save_file({"shared.weight": table}, folder / "model.safetensors")
        assert len(load_vocabularies(tmp_path)) == 2


def test_a_hub_id_is_said_not_to_be_looked_up():
    with pytest.raises(PipelineError, match=r"no model at 'owner/name'.*hub id"):
        load_vocabularies("owner/name")


def test_a_table_shorter_than_the_vocabulary_is_named(table):
    tokenizer = make_tokenizer().backend_tokenizer
    short = Vocabulary(table[:3], tokenizer, "short")
    with pytest.raises(FileFormatError, match=r"'short' has 3 tokens, and 'cat'.*not of one model"):
        short.anchor_vector("cat")
    assert short.words == []


@pytest.mark.parametrize(
    "odd", [torch.ones(4), torch.ones(1).expand(9999, 9999), torch.ones(2, 2).to_sparse(), [1]]
)
def test_an_odd_table_is_named(tmp_path, odd):
    torch.save({"shared.weight": odd}, tmp_path / "model.bin")
    with pytest.raises(FileFormatError, match=r"model\.bin"):
        load_vocabularies(tmp_path / "model.bin")
    torch.save([1], tmp_path / "list.bin")
    with pytest.raises(FileFormatError, match=r"list\.bin"):
        load_vocabularies(tmp_path / "list.bin")


def test_the_nearest_words_are_those_of_a_plain_search(model, table):
    [vocabulary] = load_vocabularies(model).values()
    rows = torch.randn(3, WIDTH).half()
    found = vocabulary.nearest(rows, 4)
    tokenizer = make_tokenizer()
    for row, nearest in zip(rows.double(), found, strict=True):
        cosines = {}
        for word in vocabulary.words:
            [i] = tokenizer(word, add_special_tokens=False)["input_ids"]
            cosines[word] = torch.cosine_similarity(row, table[i].double(), dim=0).item()
        best = sorted(cosines, key=cosines.__getitem__, reverse=True)[:4]
        assert [word for word, _ in nearest] == best
        assert [cosine for _, cosine in nearest] == pytest.approx([cosines[word] for word in best], abs=1e-5)


def test_the_chance_level_is_about_what_random_directions_give():
    torch.manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(5_000, 256), dim=-1)
    nearest = (torch.nn.functional.normalize(torch.randn(200, 256), dim=-1) @ directions.T).amax(1).mean()
    letters = "abcdefghij"
    words = ["".join(letters[int(d)] for d in f"{i:05}") for i in range(5_000)]
    tokenizer = Tokenizer(models.WordLevel({f"▁{w}": i for i, w in enumerate(words)}, unk_token="▁aaaaa"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    assert Vocabulary(directions, tokenizer).chance == pytest.approx(nearest.item(), rel=0.15)


def test_what_cannot_be_used_is_named(tmp_path, model):
    with pytest.raises(PipelineError, match="no model at"):
        load_vocabularies(tmp_path / "gone")
    with pytest.raises(PipelineError, match="has no token table"):
        load_vocabularies(tmp_path)
    (tmp_path / "text_encoder").mkdir()
    with pytest.raises(PipelineError, match="no weights with a token table"):
        load_vocabularies(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"no tensors")
    with pytest.raises(FileFormatError, match=r"model\.safetensors' cannot be read"):
        load_vocabularies(path)
    for dtype in (torch.int8, torch.float8_e4m3fn):
        save_file({"shared.weight": torch.ones(4, 2).to(dtype)}, path)
        with pytest.raises(PipelineError, match="quantised"):
            load_vocabularies(path)
    save_file({"shared.weight": torch.ones(700, 2)}, path)
    with pytest.raises(FileFormatError, match="no tokenizer that can be read"):
        load_vocabularies(path, path)
    with pytest.raises(FileFormatError, match=r"no tokenizer beside it.*with tokenizer"):
        load_vocabularies(path)["text_encoder"].anchor_vector("cat")
    assert load_vocabularies(path, model)["text_encoder"].words
