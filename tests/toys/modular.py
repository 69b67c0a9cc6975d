"""Modular pipelines of one text-encoder block, with real toy encoders."""

from __future__ import annotations

import importlib

import diffusers

from toys.layouts import LAYOUTS, with_qwen

BLOCKS = {
    "stable_diffusion_xl.StableDiffusionXLTextEncoderStep": LAYOUTS["P N p n, two CLIPs side by side"],
    "stable_diffusion_3.StableDiffusion3TextEncoderStep": LAYOUTS["P N p n, CLIPs then T5"],
    "flux.FluxTextEncoderStep": LAYOUTS["P p ids"],
    "wan.WanTextEncoderStep": LAYOUTS["P N zero-padded"],
    "qwenimage.QwenImageTextEncoderStep": LAYOUTS["P M, template, unpadded"],
    "z_image.ZImageTextEncoderStep": LAYOUTS["lists of matrices"],
    "ernie_image.ErnieImageTextEncoderStep": LAYOUTS["list of matrices"],
    "ltx2.LTX2TextEncoderStep": LAYOUTS["every layer, padded on the left"],
    "echo.EchoTextEncoderStep": lambda: with_qwen("ZImagePipeline"),
}


def modular(name: str):
    """A pipeline of one block, nested as the shipped ones nest theirs."""
    package, block = name.split(".")
    step = getattr(importlib.import_module(f"diffusers.modular_pipelines.{package}.encoders"), block)
    blocks = diffusers.modular_pipelines.SequentialPipelineBlocks.from_blocks_dict({"text_encoder": step()})
    pipe = blocks.init_pipeline()
    parts = {k: v for k, v in BLOCKS[name]().components.items() if "encoder" in k or "tokenizer" in k}
    pipe.update_components(**{k: v for k, v in parts.items() if k in pipe._component_specs})
    return pipe
