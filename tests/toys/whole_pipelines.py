"""Whole toy pipelines of several layouts, random weights throughout: text in, pictures out."""

import diffusers
import torch

from toys.layouts import LAYOUTS, flux, make_t5_tokenizer, sd3, t5
from toys.pipelines import make_pipeline

SIZE = 16


def _vae(channels: int = 4) -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(8,),
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=4,
        shift_factor=0.0,
        sample_size=SIZE,
    )


def _completed(pipe, **parts):
    """The encoding pipeline with what drawing needs too."""
    return type(pipe)(**{**pipe.components, "vae": _vae(), **parts})


def _sdxl():
    pipe = LAYOUTS["P N p n, two CLIPs side by side"]()
    unet = diffusers.UNet2DConditionModel(
        sample_size=SIZE,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=64,
        attention_head_dim=4,
        norm_num_groups=4,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=16 + 6 * 4,
    )
    return _completed(pipe, unet=unet, scheduler=diffusers.EulerDiscreteScheduler())


def _sd3():
    pipe = sd3()
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=SIZE,
        patch_size=1,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=32,
        out_channels=4,
        pos_embed_max_size=SIZE,
    )
    return _completed(pipe, transformer=transformer, scheduler=diffusers.FlowMatchEulerDiscreteScheduler())


def _flux():
    pipe = flux()
    transformer = diffusers.FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8),
    )
    return _completed(pipe, transformer=transformer, scheduler=diffusers.FlowMatchEulerDiscreteScheduler())


def _pixart():
    tokenizer = make_t5_tokenizer()
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=SIZE,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=24,
        out_channels=8,
        use_additional_conditions=False,
    )
    return diffusers.PixArtSigmaPipeline(
        tokenizer=tokenizer,
        text_encoder=t5(tokenizer),
        transformer=transformer,
        vae=_vae(),
        scheduler=diffusers.DDIMScheduler(),
    )


BUILDERS = {"SD": make_pipeline, "SDXL": _sdxl, "SD3": _sd3, "Flux": _flux, "PixArt": _pixart}


def build(name: str):
    torch.manual_seed(0)
    pipe = BUILDERS[name]()
    pipe.set_progress_bar_config(disable=True)
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    return pipe


def draw(pipe, prompt: str | list[str] | None, steps: int = 3, **more) -> torch.Tensor:
    """Pictures of the prompt, always from the same noise."""
    more = {"output_type": "pt", "height": SIZE, "width": SIZE, "num_inference_steps": steps, **more}
    if type(pipe).__name__.startswith("PixArt"):
        more |= {"use_resolution_binning": False, "clean_caption": False}
    if (
        "T5"
        in type(getattr(pipe, "text_encoder_2", None)).__name__
        + type(getattr(pipe, "text_encoder_3", None)).__name__
        + type(pipe.text_encoder).__name__
    ):
        more |= {"max_sequence_length": 64}
    pictures = pipe(prompt, generator=torch.Generator().manual_seed(0), **more).images
    return torch.as_tensor(pictures)
