"""A pipeline of toy size: real classes of transformers, diffusers and peft, two layers deep, in memory.

``make_pipeline()`` draws 16×16 px images in a tenth of a second, with the same weights every time.
``add_lora`` and ``add_token`` personalise it, ``encode`` and ``generate`` ask it.
"""

from __future__ import annotations

from pathlib import Path

import diffusers
import peft
import torch
import transformers
from peft.utils import get_peft_model_state_dict

from toys.tokenizers import make_tokenizer

WIDTH = 32


def make_pipeline(seed: int = 0, tokenizer=None) -> diffusers.StableDiffusionPipeline:
    """A StableDiffusionPipeline with random weights, whose text encoder tells words apart."""
    tokenizer = tokenizer or make_tokenizer()
    torch.manual_seed(seed)
    text_encoder = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    with torch.no_grad():
        text_encoder.get_input_embeddings().weight.mul_(25)  # CLIP's own are of length .4, these would be .1
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    vae = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
        latent_channels=4,
    )
    pipe = diffusers.StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=diffusers.DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def add_lora(pipe, seed: int = 1, name: str = "default") -> None:
    """Put a LoRA that does something into the pipeline's text encoder and U-Net."""
    torch.manual_seed(seed)
    for model, targets in (
        (pipe.text_encoder, ["q_proj", "k_proj", "v_proj", "out_proj"]),
        (pipe.unet, ["to_k", "to_q", "to_v", "to_out.0"]),
    ):
        config = peft.LoraConfig(r=4, lora_alpha=4, target_modules=targets, init_lora_weights=False)
        model.add_adapter(config, adapter_name=name)
        model.requires_grad_(False)


def save_lora(pipe, folder: Path) -> Path:
    """Write the adapters of ``pipe`` as diffusers does; returns the file."""
    pipe.save_lora_weights(
        folder,
        unet_lora_layers=get_peft_model_state_dict(pipe.unet),
        text_encoder_lora_layers=get_peft_model_state_dict(pipe.text_encoder),
    )
    return folder / "pytorch_lora_weights.safetensors"


def add_token(pipe, token: str, rows: torch.Tensor) -> None:
    """Teach the pipeline a token of ``len(rows)`` vectors, the way diffusers does."""
    pipe.load_textual_inversion({token: rows}, token=token)


def encode(pipe, prompt, negative_prompt=None, guidance=True, images=1, **arguments):
    """The pipeline's (prompt_embeds, negative_prompt_embeds), through its own encode step, positionally."""
    with torch.no_grad():
        return pipe.encode_prompt(prompt, torch.device("cpu"), images, guidance, negative_prompt, **arguments)


def generate(pipe, prompt, seed: int = 0, **arguments) -> torch.Tensor:
    """Two steps of the whole pipeline, as a tensor ``[n, 3, 16, 16]``."""
    generator = torch.Generator().manual_seed(seed)
    return pipe(prompt, num_inference_steps=2, generator=generator, output_type="pt", **arguments).images
