"""A checkpoint is told from what is loaded into one, whoever wrote it."""

import pytest
import torch
from safetensors.torch import save_file

from uncollapse.errors import FileFormatError
from uncollapse.learned_embeds import LearnedEmbedding, write
from uncollapse.models import load_pipeline
from uncollapse.vocabulary import load_vocabularies
from uncollapse.weight_files import holds_checkpoint, loaded_into_models

UNET = "model.diffusion_model.out.0.weight"


@pytest.mark.parametrize(
    "name",
    [
        "unet.down_blocks.0.attentions.0.to_k.lora_A.weight",
        "unet.up_blocks.0.attn1.processor.to_k_lora.down.weight",
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",
        "lora_te_text_model_encoder_layers_0_mlp_fc1.hada_w1_a",
        "lycoris_blocks_0_attn.lokr_w1",
    ],
)
def test_a_lora_is_known_by_any_of_its_spellings(tmp_path, name):
    file = tmp_path / "dog.safetensors"
    save_file({name: torch.ones(2, 2)}, file)
    with pytest.raises(FileFormatError, match=r"dog.safetensors' is a LoRA, and no model") as error:
        load_pipeline(file, device="cpu")
    assert error.value.settings == ("lora",)
    with pytest.raises(FileFormatError, match=r"is a LoRA, and no model. Give the one it was trained on"):
        load_vocabularies(file)


def test_an_embedding_and_custom_diffusion_are_too(tmp_path):
    embedding = LearnedEmbedding("<my-cat>", {"text_encoder": torch.ones(1, 4)})
    file = write(tmp_path / "cat.safetensors", embedding)
    delta = {"unet": {"x": torch.ones(1)}, "modifier_token": {"<new1>": torch.ones(4)}}
    torch.save(delta, tmp_path / "delta.bin")
    weights = {"mid_block.attn2.processor.to_k_custom_diffusion.weight": torch.ones(1, 4)}
    torch.save(weights, tmp_path / "weights.bin")
    for path, setting in [
        (file, "embedding"),
        (tmp_path / "delta.bin", "custom_diffusion"),
        (tmp_path / "weights.bin", "custom_diffusion"),
    ]:
        with pytest.raises(FileFormatError, match=r"and no model. Give it with") as error:
            load_pipeline(path, device="cpu")
        assert error.value.settings == (setting,)


def test_other_parts_of_models_are_not(tmp_path):
    entries = {
        "text_model.final_layer_norm.weight": torch.ones(4),
        "text_model.final_layer_norm.bias": torch.ones(4),
    }
    save_file(entries, tmp_path / "clip.safetensors")
    assert loaded_into_models(tmp_path / "clip.safetensors", entries) is None


def test_a_checkpoint_is_known_by_its_denoiser(tmp_path):
    save_file({UNET: torch.ones(1)}, tmp_path / "a.safetensors")
    torch.save({"state_dict": {UNET: torch.ones(1)}}, tmp_path / "b.ckpt")
    save_file({"<cat>": torch.ones(1, 4)}, tmp_path / "c.safetensors")
    (tmp_path / "d.ckpt").write_bytes(b"no tensors")
    (tmp_path / "e.txt").write_text(UNET)
    found = {
        path.name
        for path in [*tmp_path.iterdir(), tmp_path, tmp_path / "gone.ckpt"]
        if holds_checkpoint(path)
    }
    assert found == {"a.safetensors", "b.ckpt"}
