"""Checkpoints in one file, at toy size: Stable Diffusion 1, 2 and XL, named as their makers name the weights.

``MAKES`` builds the pipelines, with CLIP's own tokenizer and what was published with each family: scheduler,
activation, heads, padding. ``drawn(pipe)`` asks one. ``original(pipe)`` names the weights the other way round
from diffusers' conversion, and fuses an OpenCLIP encoder's queries, keys and values.
"""

from __future__ import annotations

import diffusers
import torch
import transformers

from toys.word_pairs import clip_tokenizer

SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}


def sd1(**unet) -> diffusers.StableDiffusionPipeline:
    scheduler = diffusers.PNDMScheduler(**SCHEDULE, skip_prk_steps=True, set_alpha_to_one=False)
    tokenizer = new_tokenizer()
    usual = {"widths": (32, 64), "context": 64, "attention_head_dim": 8}
    return _one_encoder(tokenizer, _text(tokenizer, 64, act="quick_gelu"), _unet(**usual | unet), scheduler)


def sd1_of_all_blocks() -> diffusers.StableDiffusionPipeline:
    """As many levels and layers as the real one has, numbered to 11."""
    attend = ("CrossAttnDownBlock2D",) * 3, ("CrossAttnUpBlock2D",) * 3
    return sd1(
        widths=(32, 32, 64, 64),
        layers_per_block=2,
        down_block_types=(*attend[0], "DownBlock2D"),
        up_block_types=("UpBlock2D", *attend[1]),
    )


def sd2(prediction: str = "epsilon") -> diffusers.StableDiffusionPipeline:
    scheduler = diffusers.DDIMScheduler(
        **SCHEDULE, clip_sample=False, set_alpha_to_one=False, prediction_type=prediction
    )
    tokenizer = new_tokenizer()
    tokenizer.pad_token = "!"
    unet = _unet((64, 128), 64, attention_head_dim=(1, 2), use_linear_projection=True, upcast_attention=True)
    return _one_encoder(tokenizer, _text(tokenizer, 64, act="gelu"), unet, scheduler)


def sdxl() -> diffusers.StableDiffusionXLPipeline:
    first, second = new_tokenizer(), new_tokenizer()
    second.pad_token = "!"
    unet = _unet(
        (64, 128),
        64 + 128,
        attention_head_dim=(1, 2),
        use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2),
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=96 + 6 * 8,
    )
    pipe = diffusers.StableDiffusionXLPipeline(
        vae=_vae(scale=0.13025),
        text_encoder=_text(first, 64, act="quick_gelu"),
        text_encoder_2=_text(second, 128, act="gelu", projects=True),
        tokenizer=first,
        tokenizer_2=second,
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(**SCHEDULE),
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def new_tokenizer():
    return clip_tokenizer.__wrapped__()  # what it caches is everyone's


MAKES = {
    "Stable Diffusion 1": sd1,
    "Stable Diffusion 1, all blocks": sd1_of_all_blocks,
    "Stable Diffusion 2": sd2,
    "Stable Diffusion XL": sdxl,
}


def _one_encoder(tokenizer, text_encoder, unet, scheduler):
    pipe = diffusers.StableDiffusionPipeline(
        vae=_vae(scale=0.18215),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _text(tokenizer, width: int, act: str, projects: bool = False):
    torch.manual_seed(width)
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=width // 64,
        hidden_act=act,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        projection_dim=96,
    )
    encoder = (transformers.CLIPTextModelWithProjection if projects else transformers.CLIPTextModel)(config)
    with torch.no_grad():
        encoder.get_input_embeddings().weight.mul_(25)  # or the words hardly differ
    return encoder.eval()


def _unet(widths, context: int, **more):
    torch.manual_seed(2)
    usual = {
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=widths,
        cross_attention_dim=context,
        **usual | more,
    )
    return unet.eval()


def _vae(scale: float):
    torch.manual_seed(3)
    vae = diffusers.AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        scaling_factor=scale,
    )
    return vae.eval()


def drawn(pipe, prompt: str = "a photo of sks cat") -> torch.Tensor:
    """A small picture in two steps, the same for the same weights and settings.

    Weights mapped from a file lie at odd addresses, where sums round otherwise: they are moved first.
    """
    for module in pipe.components.values():
        for parameter in module.parameters() if isinstance(module, torch.nn.Module) else ():
            parameter.data = parameter.data.clone()
    pipe.set_progress_bar_config(disable=True)
    with torch.no_grad():
        return pipe(
            prompt,
            num_inference_steps=2,
            generator=torch.Generator().manual_seed(0),
            output_type="pt",
            height=16,
            width=16,
        ).images


def original(pipe) -> dict[str, torch.Tensor]:
    """The weights of a pipeline under the names of its makers' checkpoint."""
    encoders = [getattr(pipe, name, None) for name in ("text_encoder", "text_encoder_2")]
    entries = weights_of(pipe.unet, pipe.vae, *filter(None, encoders))
    return {key: value.detach().clone().contiguous() for key, value in entries.items()}


def weights_of(unet, vae, encoder, second=None) -> dict[str, torch.Tensor]:
    """The same of its parts, as they are in memory."""
    entries = _renamed(unet, _unet_names(unet), RESNET, "model.diffusion_model.")
    of_vae = _renamed(vae, _vae_names(vae), [("conv_shortcut", "nin_shortcut")], "first_stage_model.")
    convolved = {k: v[:, :, None, None] for k, v in of_vae.items() if ".attn_1." in k and v.ndim == 2}
    entries |= of_vae | convolved | {"alphas_cumprod": torch.ones(1000)}
    if second is not None:
        entries |= _clip(encoder, "conditioner.embedders.0.transformer.text_model.")
        return entries | _open_clip(second, "conditioner.embedders.1.model.")
    if encoder.config.hidden_act == "quick_gelu":
        return entries | _clip(encoder, "cond_stage_model.transformer.text_model.")
    entries |= _open_clip(encoder, "cond_stage_model.model.")
    layers = encoder.config.num_hidden_layers
    last = f"cond_stage_model.model.transformer.resblocks.{layers - 1}."
    beyond = last.replace(f".{layers - 1}.", f".{layers}.")  # there, and not used
    entries |= {key.replace(last, beyond): v + 1 for key, v in entries.items() if key.startswith(last)}
    width = encoder.config.hidden_size
    projection = torch.eye(width, device=encoder.device)
    return entries | {"cond_stage_model.model.text_projection": projection}


RESNET = [
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
]


def _renamed(model, names, within_resnets, prefix):
    """Each weight under the name of the module that it is in, which one of the names begins."""
    entries = {}
    for key, value in model.state_dict().items():
        module = next(name for name in names if key.startswith(f"{name}."))
        rest = key.removeprefix(module)
        if ".resnets." in module:
            for ours, theirs in within_resnets:
                rest = rest.replace(f".{ours}.", f".{theirs}.")
        entries[prefix + names[module] + rest] = value
    return entries


def _unet_names(unet):
    names = {
        "conv_in": "input_blocks.0.0",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
    }
    number = 1
    for i, block in enumerate(unet.down_blocks):
        for j in range(len(block.resnets)):
            names[f"down_blocks.{i}.resnets.{j}"] = f"input_blocks.{number}.0"
            names[f"down_blocks.{i}.attentions.{j}"] = f"input_blocks.{number}.1"
            number += 1
        names[f"down_blocks.{i}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
        number += 1
    number = 0
    for i, block in enumerate(unet.up_blocks):
        for j in range(len(block.resnets)):
            names[f"up_blocks.{i}.resnets.{j}"] = f"output_blocks.{number}.0"
            names[f"up_blocks.{i}.attentions.{j}"] = f"output_blocks.{number}.1"
            number += 1
        beside = 2 if hasattr(block, "attentions") else 1
        names[f"up_blocks.{i}.upsamplers.0.conv"] = f"output_blocks.{number - 1}.{beside}.conv"
    return names


def _vae_names(vae):
    names = {"quant_conv": "quant_conv", "post_quant_conv": "post_quant_conv"}
    for half, side, sampler in (("encoder", "down", "downsample"), ("decoder", "up", "upsample")):
        names |= {f"{half}.conv_in": f"{half}.conv_in", f"{half}.conv_out": f"{half}.conv_out"}
        names[f"{half}.conv_norm_out"] = f"{half}.norm_out"
        blocks = getattr(getattr(vae, half), f"{side}_blocks")
        for i, block in enumerate(blocks):
            level = i if side == "down" else len(blocks) - 1 - i  # counted from the pixels
            for j in range(len(block.resnets)):
                names[f"{half}.{side}_blocks.{i}.resnets.{j}"] = f"{half}.{side}.{level}.block.{j}"
            names[f"{half}.{side}_blocks.{i}.{sampler}rs.0.conv"] = f"{half}.{side}.{level}.{sampler}.conv"
        for j in (0, 1):
            names[f"{half}.mid_block.resnets.{j}"] = f"{half}.mid.block_{j + 1}"
        attention = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
        for ours, theirs in attention.items():
            names[f"{half}.mid_block.attentions.0.{ours}"] = f"{half}.mid.attn_1.{theirs}"
    return names


def _clip(encoder, prefix):
    entries = {f"{prefix}embeddings.position_ids": torch.arange(77)[None]}
    return entries | {prefix + key: value for key, value in _of_transformers(encoder).items()}


def _of_transformers(encoder):
    return {key.removeprefix("text_model."): value for key, value in encoder.state_dict().items()}


def _open_clip(encoder, prefix):
    """Queries, keys and values in one matrix, the projection the other way round."""
    weights = _of_transformers(encoder)
    entries = {
        "logit_scale": torch.tensor(4.6),
        "token_embedding.weight": weights.pop("embeddings.token_embedding.weight"),
        "positional_embedding": weights.pop("embeddings.position_embedding.weight"),
        "ln_final.weight": weights.pop("final_layer_norm.weight"),
        "ln_final.bias": weights.pop("final_layer_norm.bias"),
    }
    if "text_projection.weight" in weights:
        entries["text_projection"] = weights.pop("text_projection.weight").T
    for i in range(encoder.config.num_hidden_layers):
        ours, theirs = f"encoder.layers.{i}.", f"transformer.resblocks.{i}."
        for kind in ("weight", "bias"):
            parts = [weights.pop(f"{ours}self_attn.{each}_proj.{kind}") for each in "qkv"]
            entries[f"{theirs}attn.in_proj_{kind}"] = torch.cat(parts)
            for before, after in (
                ("self_attn.out_proj", "attn.out_proj"),
                ("layer_norm1", "ln_1"),
                ("layer_norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"),
                ("mlp.fc2", "mlp.c_proj"),
            ):
                entries[f"{theirs}{after}.{kind}"] = weights.pop(f"{ours}{before}.{kind}")
    assert not weights
    return {prefix + key: value for key, value in entries.items()}
