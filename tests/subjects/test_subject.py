"""What parts make: the pipeline, the concept, and notes in place of printing."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from toys.miniature import toy_miniature
from toys.pipelines import WIDTH, add_lora, make_pipeline, save_lora
from uncollapse.errors import AnchorError, PlaceholderError, UncollapseWarning
from uncollapse.learned_embeds import LearnedEmbedding, write
from uncollapse.miniature import MINIATURES
from uncollapse.subjects import Parts, anchor_within, assembled, base_pipeline


def flag(setting):
    return f"--{setting}"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    pipe = make_pipeline()
    add_lora(pipe)
    save_lora(pipe, folder / "lora")
    torch.manual_seed(3)
    rows = LearnedEmbedding("<my-cat>", {"text_encoder": 9 * torch.randn(2, WIDTH)})
    write(folder / "cat.safetensors", rows)
    return folder


@pytest.fixture
def toy(tmp_path, monkeypatch):
    made = toy_miniature(tmp_path / "toy", name="toy", title="the toy miniature")
    monkeypatch.setitem(MINIATURES, "toy", made)
    return made


def test_the_anchor_that_was_taken_is_noted_and_nothing_printed(model, files, capsys):
    subject = assembled(Parts(str(model), lora=str(files / "lora")), "sks cat", device="cpu")
    assert subject.concept.anchor == "cat"
    assert subject.notes == ("Anchor: 'cat', the last word of 'sks cat'.",)
    assert subject.run["model"] == str(model)
    assert subject.has_base
    assert capsys.readouterr() == ("", "")


def test_an_anchor_that_was_given_needs_no_note(model):
    subject = assembled(Parts(str(model)), "sks cat", "cat", device="cpu")
    assert subject.notes == ()
    assert not subject.has_base


@pytest.mark.parametrize("names", ["lora_te_unknown_{}", "te.blocks.{}", "text_encoders.qwen.{}"])
def test_a_text_part_that_nobody_reads_is_doubtful(model, files, tmp_path, names):
    whole = load_file(files / "lora" / "pytorch_lora_weights.safetensors")
    foreign = {
        names.format(name) if name.startswith("text_encoder") else name: tensor
        for name, tensor in whole.items()
    }
    save_file(foreign, tmp_path / "foreign.safetensors")
    [doubt] = assembled(Parts(str(model), lora=str(tmp_path / "foreign.safetensors")), "sks cat", "cat").notes
    assert isinstance(doubt, UncollapseWarning)
    assert "weights of a text encoder, such as" in str(doubt)


def test_a_poor_suggestion_is_doubtful(model, files, recwarn):
    parts = Parts(str(model), embedding=str(files / "cat.safetensors"))
    suggested, doubt = assembled(parts, "<my-cat>", device="cpu").notes
    assert suggested.startswith("Anchor: 'cat' (cosine ")
    assert isinstance(doubt, UncollapseWarning)
    assert str(doubt).endswith("name what it is with anchor.")
    assert doubt.told(flag).endswith("name what it is with --anchor.")
    assert not [each for each in recwarn if each.category is UncollapseWarning]


def test_a_miniature_supplies_its_own_concept(toy):
    subject = assembled(Parts("toy"), how={"level": "prompt"})
    assert (subject.concept.placeholder, subject.concept.anchor) == ("sks cat", "cat")
    assert subject.concept.level == "prompt"
    assert subject.run["model"] == "the toy miniature"
    assert subject.bundled.miniature is toy
    assert subject.has_base
    assert any(subject.pipe.get_list_adapters().values())
    assert len(subject.references) == 2


def test_a_miniature_with_parts_of_the_users_is_a_model_as_any(toy, files):
    subject = assembled(Parts("toy", lora=str(files / "lora")), "sks cat", device="cpu")
    assert subject.bundled is None
    assert subject.run["model"] == "the toy miniature"


def test_what_is_missing_is_named_as_the_front_end_does():
    with pytest.raises(PlaceholderError) as raised:
        assembled(Parts("owner/name"))
    assert str(raised.value).startswith("Which words call the concept? Give them with placeholder, ")
    with pytest.raises(AnchorError) as raised:
        anchor_within("sks")
    assert raised.value.told(flag) == "What is 'sks'? Give it in ordinary words with --anchor, such as dog."


def test_the_base_is_loaded_where_the_pipeline_does_not_hold_it(model, toy):
    assert base_pipeline(str(model), Parts("owner/name"), device="cpu").unet is not None
    assert base_pipeline(None, Parts(str(model), custom_diffusion="there"), device="cpu").unet is not None
    for held in (Parts(), Parts("toy"), Parts(str(model), lora="there"), Parts(embedding="there")):
        assert base_pipeline(None, held) is None


def test_no_base_at_all_is_said(model):
    with pytest.warns(UncollapseWarning, match="Without base, lora or embedding there is nothing") as caught:
        assert base_pipeline(None, Parts(str(model))) is None
    assert caught[0].message.told(flag).startswith("Without --base, --lora or --embedding there is nothing")
