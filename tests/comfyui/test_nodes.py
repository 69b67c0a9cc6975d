import asyncio
import importlib.util
import json
import tomllib

import pytest
import torch

import uncollapse as uc
from toys.comfyui import in_comfyui, make_clip
from toys.docs import ROOT
from uncollapse.comfyui import comfy_entrypoint
from uncollapse.comfyui.folders import listed
from uncollapse.errors import AdjustmentError, FileFormatError, OutputError, PlaceholderError

TEXT = "a sks dog in snow"
SAVED = {  # what workflows hold, which may grow and never change
    "UncollapseConcept": "placeholder anchor alpha beta anchor_encoder previous level",
    "UncollapseConceptByRole": "placeholder anchor alpha_concept alpha_context alpha_rest beta "
    "anchor_encoder previous",
    "UncollapsePreset": "preset previous",
    "UncollapseBaseCLIP": "clip",
    "UncollapseTextEncode": "clip concept text base_clip",
    "UncollapseSchedule": "clip concept text first last ranges base_clip",
    "UncollapseAdjustConditioning": "conditioning anchor_conditioning clip concept text",
    "UncollapseInspect": "clip embedding",
    "UncollapseBake": "clip embedding concept name overwrite",
    "UncollapseMiniature": "concept strength_model strength_clip",
}


@pytest.fixture
def nodes(monkeypatch, tmp_path):
    """The nodes as ComfyUI gets them, by their ids; its models are in ``tmp_path``."""
    in_comfyui(monkeypatch, tmp_path)

    async def load():
        return await (await comfy_entrypoint()).get_node_list()

    return {node.define_schema().node_id: node for node in asyncio.run(load())}


def concept(nodes, alpha=0.4, placeholder="sks dog", anchor="dog", **settings):
    settings = {"beta": 1.5, "anchor_encoder": "base"} | settings
    [made] = (
        nodes["UncollapseConcept"]
        .execute(placeholder=placeholder, anchor=anchor, alpha=alpha, **settings)
        .result
    )
    return made


def encode(nodes, clip, *concepts, text=TEXT, **more):
    return nodes["UncollapseTextEncode"].execute(clip=clip, concept=concepts, text=text, **more).result


def test_ids_and_inputs_are_those_of_saved_workflows(nodes):
    found = {name: [each.id for each in node.define_schema().inputs] for name, node in nodes.items()}
    assert found == {name: inputs.split() for name, inputs in SAVED.items()}
    outputs = [each.id for node in nodes.values() for each in node.define_schema().outputs]
    assert set(outputs) == {None}  # known by their places


def test_defaults_are_what_the_nodes_take(nodes):
    """Each schema's own defaults go through."""
    for name in ("UncollapseConcept", "UncollapseConceptByRole"):
        inputs = nodes[name].define_schema().inputs
        given = {each.id: each.default for each in inputs if hasattr(each, "default")}
        [[made]] = nodes[name].execute(**given).result
        assert (made.placeholder, made.anchor) == ("sks dog", "dog")
    assert made.adjuster == uc.Adjustment(uc.ByRole(0, 1, 1), 1.0)


def test_text_encode_reports_what_moved_and_gives_what_python_gives(nodes):
    clip = make_clip().with_lora(0.5)
    conditioning, report = encode(nodes, clip, *concept(nodes))
    assert not torch.equal(conditioning[0][0], clip.encode(TEXT)[0][0])
    assert "sks dog → dog: TEA α 0.4, β 1.5, prompt level" in report
    assert [line.split()[0] for line in report.splitlines()[2:]] == ["concept", "other", "rest"]
    assert "⚠" not in report


def test_text_without_the_placeholder_comes_out_as_it_is_with_a_warning(nodes):
    clip = make_clip()
    conditioning, report = encode(nodes, clip, *concept(nodes), text="a cat in snow")
    assert torch.equal(conditioning[0][0], clip.encode("a cat in snow")[0][0])
    assert report == "⚠ Nothing is adjusted: the text does not mention sks dog."
    _, report = encode(nodes, clip, *concept(nodes, placeholder="<dog>"), text="a cat")
    assert "embedding:name" in report


def test_a_noun_that_stands_twice_in_the_twin_is_said(nodes):
    _, report = encode(nodes, make_clip(), *concept(nodes, placeholder="sks"))
    assert "⚠ the anchor twin reads 'a dog dog in snow'" in report


def test_beta_0_keeps_the_norms(nodes):
    [kept] = concept(nodes, beta=0)
    assert kept.adjuster.beta is None


def test_concepts_are_chained_each_under_a_name_of_its_own(nodes):
    dog = concept(nodes)
    both = concept(nodes, placeholder="red cat", anchor="cat", previous=dog)
    assert [each.placeholder for each in both] == ["sks dog", "red cat"]
    with pytest.raises(PlaceholderError, match="two concepts are called 'sks dog'"):
        concept(nodes, previous=dog)


def test_a_base_clip_that_would_not_be_used_is_refused(nodes):
    with pytest.raises(AdjustmentError, match="it would not be used"):
        encode(nodes, make_clip(), *concept(nodes, anchor_encoder="tuned"), base_clip=make_clip())


def test_base_clip_is_the_clip_without_its_lora(nodes):
    clip = make_clip()
    [base] = nodes["UncollapseBaseCLIP"].execute(clip=clip.with_lora(0.5)).result
    assert torch.equal(base.encode(TEXT)[0][0], clip.encode(TEXT)[0][0])


def test_a_missing_embedding_and_a_missing_clip_are_named(nodes, tmp_path):
    clip = make_clip(embeddings=tmp_path / "embeddings")
    cat = concept(nodes, placeholder="embedding:none", anchor="cat")
    with pytest.raises(PlaceholderError, match="'embedding:none' is no embedding"):
        encode(nodes, clip, *cat, text="a embedding:none in snow")
    with pytest.raises(uc.PipelineError, match="the CLIP is missing"):
        encode(nodes, None, *concept(nodes))


def test_a_schedule_covers_all_steps_and_ends_where_it_says(nodes):
    clip = make_clip()
    settings = {"clip": clip, "concept": concept(nodes, beta=0), "text": TEXT}
    conditioning, report = nodes["UncollapseSchedule"].execute(**settings, first=1, last=0, ranges=4).result
    ranges = [(options["start_percent"], options["end_percent"]) for _, options in conditioning]
    assert ranges == [(0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1)]
    strongest, _ = encode(nodes, clip, *settings["concept"])
    assert torch.equal(conditioning[0][0], strongest[0][0])
    assert torch.equal(conditioning[-1][0], clip.encode(TEXT)[0][0])
    assert "25% to 50%: α × 0.666667" in report


def test_an_embedding_follows_no_schedule(nodes, tmp_path):
    write_embedding(tmp_path, torch.randn(1, 8))
    clip = make_clip(embeddings=tmp_path / "embeddings")
    cat = concept(nodes, placeholder="embedding:mine", anchor="cat")
    with pytest.raises(AdjustmentError, match="once for all steps"):
        nodes["UncollapseSchedule"].execute(clip, cat, "a embedding:mine", 1, 0, 2)


def test_adjust_conditioning_gives_what_text_encode_gives(nodes):
    clip, dog = make_clip("clip_l", "clip_g"), concept(nodes)
    expected, _ = encode(nodes, clip, *dog)
    given = (clip.encode(TEXT), clip.encode("a dog in snow"), clip, dog)
    conditioning, report = nodes["UncollapseAdjustConditioning"].execute(*given, TEXT).result
    torch.testing.assert_close(conditioning, expected)
    assert "prompt level" in report
    same, report = nodes["UncollapseAdjustConditioning"].execute(*given, "a cat").result
    assert same is given[0]
    assert "⚠" in report


PRESET = {
    "kind": "uncollapse preset",
    "placeholder": "sks dog",
    "anchor": "dog",
    "level": "auto",
    "anchor_encoder": "base",
    "negative_encoder": "base",
    "way": "tea:alpha=0/1/1,beta=1",
    "fits": {},
}


def test_a_preset_is_the_concept_that_was_tuned(nodes, tmp_path):
    preset(nodes, tmp_path, PRESET)
    made, report = nodes["UncollapsePreset"].execute(preset="preset.json").result
    assert [each.adjuster for each in made] == [uc.Adjustment(uc.ByRole(0, 1, 1), 1.0)]
    assert "TEA Base CLIP" in report


@pytest.mark.parametrize(
    ("way", "error", "message"),
    [
        ("lora:text=0.25", AdjustmentError, "strength_clip to 0.25"),
        ("nonsense", FileFormatError, "damaged preset"),
    ],
)
def test_a_preset_of_another_kind_is_refused(nodes, tmp_path, way, error, message):
    preset(nodes, tmp_path, PRESET | {"way": way})
    with pytest.raises(error, match=message):
        nodes["UncollapsePreset"].execute(preset="preset.json")


def test_an_embedding_is_baked_beside_the_others_and_called_as_prompts_call_it(nodes, tmp_path):
    rows = torch.randn(2, 8)
    write_embedding(tmp_path, rows)
    clip = make_clip(embeddings=tmp_path / "embeddings")
    bake(nodes, clip, "mine-tea")
    with pytest.raises(OutputError, match="exists already"):
        bake(nodes, clip, "mine-tea")
    prompt, report = bake(nodes, clip, "mine-tea", overwrite=True)
    assert prompt == "embedding:mine-tea"
    assert "mine-tea.safetensors: TEA α 0.4, anchor cat" in report
    cat = concept(nodes, placeholder="embedding:mine", anchor="cat")
    at_once, _ = encode(nodes, clip, *cat, text="a embedding:mine in snow")
    torch.testing.assert_close(clip.encode("a embedding:mine-tea in snow")[0][0], at_once[0][0])


@pytest.mark.parametrize("name", ["../away", "sub/mine", "sub\\mine", "", ".hidden", "C:mine"])
def test_nothing_is_written_outside_the_folder(nodes, tmp_path, name):
    write_embedding(tmp_path, torch.randn(1, 8))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="no plain file name"):
        bake(nodes, make_clip(embeddings=tmp_path / "embeddings"), name)
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_read_outside_the_folder(nodes, tmp_path):
    write_embedding(tmp_path, torch.randn(1, 8))
    (tmp_path / "embeddings" / "mine.safetensors").rename(tmp_path / "mine.safetensors")
    for name in ("../mine.safetensors", str(tmp_path / "mine.safetensors")):
        with pytest.raises(FileFormatError, match="there is no"):
            nodes["UncollapseInspect"].execute(clip=make_clip(), embedding=name)


def test_inspect_says_norms_and_nearest_words_in_text_and_picture(nodes, tmp_path):
    clip = make_clip(embeddings=tmp_path / "embeddings")
    row = clip.cond_stage_model.clip_l.transformer.get_input_embeddings().weight[8:9]
    clip.tokenizer.clip_l = tokenizer_of_words()
    write_embedding(tmp_path, 3 * row)
    report, picture = nodes["UncollapseInspect"].execute(clip=clip, embedding="mine.safetensors").result
    assert "dog 1.00" in report
    assert f"{3 * row.norm():.2f}" in report
    assert picture.shape[0] == 1
    assert picture.shape[3] == 3
    assert 0 <= picture.min() < picture.max() <= 1


def test_the_cache_sees_that_a_file_has_changed(nodes, tmp_path):
    write_embedding(tmp_path, torch.ones(1, 8))
    ask = nodes["UncollapseInspect"].fingerprint_inputs
    before = ask(embedding="mine.safetensors", clip=None)
    write_embedding(tmp_path, torch.zeros(1, 8) + 2)
    assert ask(embedding="mine.safetensors", clip=None) != before
    assert ask(embedding="none", clip=None) == "none"


def test_an_empty_folder_has_a_menu_that_says_so(nodes):
    assert listed("embeddings") == ["(none)"]


def preset(nodes, folder, data):
    path = folder / "uncollapse" / "preset.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data))


def write_embedding(folder, rows):
    embedding = uc.learned_embeds.LearnedEmbedding("mine", {"text_encoder": rows})
    uc.learned_embeds.write(folder / "embeddings" / "mine.safetensors", embedding, "kohya")


def bake(nodes, clip, name, overwrite=False):
    clip.tokenizer.clip_l = tokenizer_of_words()
    cat = concept(nodes, anchor="cat")
    return nodes["UncollapseBake"].execute(clip, "mine.safetensors", cat, name, overwrite).result


def tokenizer_of_words():
    """As transformers wraps it: a tokenizer that lists its words, for the stand-in's table."""
    from types import SimpleNamespace

    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    from toys.comfyui import IDS

    words = Tokenizer(models.WordLevel({f"▁{word}": i for word, i in IDS.items()} | {"?": 0}, unk_token="?"))
    words.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", " ▁")])
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return SimpleNamespace(tokenizer=SimpleNamespace(backend_tokenizer=words))


PACK = ROOT / "integrations" / "comfyui"
WORKFLOWS = sorted((PACK / "example_workflows").glob("*.json"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_example_workflows_hold_nodes_as_they_are(nodes, path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    ours = [node for node in workflow["nodes"] if node["type"] in SAVED]
    assert ours
    for node in ours:
        known = {each.id for each in nodes[node["type"]].define_schema().inputs}
        assert {each["name"] for each in node["inputs"]} <= known
    seeds = {tuple(node["widgets_values"][:2]) for node in workflow["nodes"] if node["type"] == "KSampler"}
    assert seeds == {(7, "fixed")}  # what is compared is drawn from the same noise


def test_the_pack_is_of_this_version_and_gives_comfyui_the_nodes():
    told = tomllib.loads((PACK / "pyproject.toml").read_text(encoding="utf-8"))
    assert told["project"]["version"] == uc.__version__
    assert (PACK / told["tool"]["comfy"]["Icon"]).is_file()
    assert "ComfyUI" not in told["project"]["name"]
    spec = importlib.util.spec_from_file_location("pack", PACK / "__init__.py")
    pack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    assert pack.comfy_entrypoint is comfy_entrypoint
