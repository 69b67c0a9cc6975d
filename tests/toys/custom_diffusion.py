"""A U-Net with Custom Diffusion's attention."""

from __future__ import annotations

import torch
from diffusers.models.attention_processor import CustomDiffusionAttnProcessor

from toys.pipelines import make_pipeline


def trained(seed: int = 5):
    """A pipeline with Custom Diffusion's processors, as its training script sets them up."""
    pipe = make_pipeline()
    torch.manual_seed(seed)
    processors = {}
    for name in pipe.unet.attn_processors:
        layer = pipe.unet.get_submodule(name.removesuffix(".processor"))
        if "attn2" in name:
            hidden, context = layer.to_k.weight.shape
            processors[name] = CustomDiffusionAttnProcessor(True, False, hidden, context)
        else:
            processors[name] = CustomDiffusionAttnProcessor(False, False)
    pipe.unet.set_attn_processor(processors)
    return pipe
