"""What people have, loaded; and what is wrong with it, said in one sentence."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from toys.pictures import picture
from toys.pipelines import add_lora, make_pipeline, save_lora
from uncollapse.errors import FileFormatError, PipelineError, PlaceholderError, UncollapseWarning
from uncollapse.models.loading import check_placeholder, check_trigger, load_images, load_lora, load_pipeline


@pytest.fixture
def folder(pipe, tmp_path):
    pipe.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def lora(tmp_path):
    personalised = make_pipeline()
    add_lora(personalised)
    return save_lora(personalised, tmp_path / "lora")


def one_sentence(error) -> bool:
    return "\n" not in str(error.value)


def test_a_folder_loads_as_the_pipeline_it_was(folder, pipe):
    loaded = load_pipeline(folder, device="cpu")
    assert type(loaded) is type(pipe)
    assert loaded.unet.dtype == torch.float32
    torch.testing.assert_close(loaded.unet.state_dict(), pipe.unet.state_dict())
    assert load_pipeline(str(folder), device="cpu", dtype=torch.bfloat16).unet.dtype == torch.bfloat16


def test_a_missing_model_is_named():
    with pytest.raises(PipelineError, match=r"no model at 'no/such/folder'") as error:
        load_pipeline("no/such/folder")
    assert one_sentence(error)


def test_a_folder_that_is_no_pipeline_is_named(tmp_path):
    with pytest.raises(PipelineError, match=r"no model_index\.json"):
        load_pipeline(tmp_path)


def test_a_damaged_model_is_named(folder):
    weights = next((folder / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(PipelineError, match="does not load") as error:
        load_pipeline(folder)
    assert one_sentence(error)


def test_a_lora_changes_text_encoder_and_unet(pipe, lora):
    load_lora(pipe, lora)
    assert set(pipe.get_list_adapters()) == {"unet", "text_encoder"}


def test_a_lora_folder_loads_too(pipe, lora):
    load_lora(pipe, lora.parent)
    assert set(pipe.get_list_adapters()) == {"unet", "text_encoder"}


@pytest.mark.parametrize("name", ["missing.safetensors", "loras/missing.safetensors"])
def test_a_missing_lora_is_named_without_asking_a_hub(pipe, name):
    with pytest.raises(FileFormatError, match="no LoRA at") as error:
        load_lora(pipe, name)
    assert one_sentence(error)


def test_a_damaged_lora_is_named(pipe, lora):
    lora.write_bytes(lora.read_bytes()[:200])
    with pytest.raises(FileFormatError, match="damaged") as error:
        load_lora(pipe, lora)
    assert one_sentence(error)
    assert not pipe.get_list_adapters()


@pytest.mark.parametrize(("dtype", "number"), [("float32", torch.nan), ("float16", 1e9)])
def test_a_lora_that_draws_black_pictures_is_refused(pipe, lora, dtype, number):
    entries = load_file(lora)
    key = next(key for key in entries if key.startswith("unet.") and "lora_B" in key)
    entries[key][0, 0] = number
    save_file(entries, lora)
    pipe.to(getattr(torch, dtype))
    add_lora(pipe, name="another")
    with pytest.raises(FileFormatError, match=r"holds NaN or infinity, in '.*to_.*black pictures") as error:
        load_lora(pipe, lora)
    assert one_sentence(error)
    assert pipe.get_list_adapters() == {"unet": ["another"], "text_encoder": ["another"]}


@pytest.mark.parametrize("key", ["something.weight", "unet.no_such_block.to_k.lora_A.weight"])
def test_a_file_of_something_else_is_named(pipe, tmp_path, key):
    path = tmp_path / "other.safetensors"
    save_file({key: torch.zeros(4, 4)}, path)
    with pytest.raises(FileFormatError, match="base model it was trained on") as error:
        load_lora(pipe, path)
    assert one_sentence(error)


def test_a_lora_for_another_model_is_named(pipe, tmp_path):
    path = tmp_path / "wide.safetensors"
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_{}.weight"
    save_file({name.format("A"): torch.zeros(4, 77), name.format("B"): torch.zeros(99, 4)}, path)
    with pytest.raises(FileFormatError, match="does not fit") as error:
        load_lora(pipe, path)
    assert one_sentence(error)


def test_a_token_nobody_learned_is_refused(pipe):
    check_placeholder(pipe, "sks dog")
    with pytest.raises(PlaceholderError, match=r"does not know '<my-cat>'"):
        check_placeholder(pipe, "<my-cat>")
    pipe.load_textual_inversion({"<my-cat>": torch.ones(1, 32)}, token="<my-cat>")
    check_placeholder(pipe, "<my-cat>")


def test_a_lora_that_states_its_words_is_held_to_them(tmp_path, lora):
    path = tmp_path / "stated.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata={"instance_prompt": "a photo of sks cat"})
    check_trigger(path, "sks cat")
    with pytest.raises(PlaceholderError, match=r"trained on 'a photo of sks cat'.*'sks dog'"):
        check_trigger(path, "sks dog")
    check_trigger(lora, "anything")  # states nothing


def test_images_are_read_in_order_and_upright(tmp_path):
    from PIL import Image

    picture("red").save(tmp_path / "b.png")
    sideways = Image.new("RGB", (20, 10), "blue")
    exif = sideways.getexif()
    exif[274] = 6
    sideways.save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "notes.txt").write_text("not an image")
    assert [image.size for image in load_images(tmp_path)] == [(10, 20), (16, 16)]


def test_pictures_of_other_kinds_are_not_left_out_in_silence(tmp_path):
    picture("purple", 40).save(tmp_path / "1.png")
    for name in ("2.HEIC", "3.gif", "4.bmp", "5.tiff"):
        (tmp_path / name).write_bytes(b"a picture")
    with pytest.warns(
        UncollapseWarning, match=r"2\.HEIC, 3\.gif, 4\.bmp, 5\.tiff left out\. Save them as PNG"
    ):
        assert len(load_images(tmp_path)) == 1


def test_a_folder_without_images_or_with_a_broken_one_is_named(tmp_path):
    with pytest.raises(FileFormatError, match="holds no PNG"):
        load_images(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(FileFormatError, match=r"broken\.png"):
        load_images(tmp_path)


def test_a_missing_device_or_folder_is_named_as_such(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PipelineError, match="no CUDA device here"):
        load_pipeline(folder, device="cuda:0")
    with pytest.raises(FileFormatError, match="There is no folder at"):
        load_images(tmp_path / "nothere")


def test_a_name_that_is_too_long_names_nothing(pipe):
    with pytest.raises(PipelineError, match="no model at"):
        load_pipeline("a" * 300)
    with pytest.raises(FileFormatError, match="no LoRA at"):
        load_lora(pipe, "a" * 300)


def test_a_hub_id_that_cannot_be_had_is_one_sentence():
    with pytest.raises(PipelineError, match=r"'nobody/nothing' does not load") as error:
        load_pipeline("nobody/nothing")
    assert one_sentence(error)
