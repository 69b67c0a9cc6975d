"""A personalised pipeline: put together from what people have, and drawn with.

loading            a model, a LoRA, photos, each a path or a hub id
single_file        a model in one file; checkpoint_kinds tells which, checkpoint_configs its sizes
custom_diffusion   Custom Diffusion's weights and modifier tokens
generation         prompts and seeds to images

What may be imported from here is below; diffusers is imported where a pipeline is loaded.
"""

from .custom_diffusion import load_custom_diffusion
from .generation import GenerationSettings, generate, generating
from .loading import check_placeholder, check_trigger, load_images, load_lora, load_pipeline

__all__ = [
    "GenerationSettings",
    "check_placeholder",
    "check_trigger",
    "generate",
    "generating",
    "load_custom_diffusion",
    "load_images",
    "load_lora",
    "load_pipeline",
]
