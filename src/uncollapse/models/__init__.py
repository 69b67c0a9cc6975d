"""A personalised pipeline: put together from what people have, and drawn with.

loading            a model, a LoRA, an embedding, each a path or a hub id
custom_diffusion   Custom Diffusion's weights and modifier tokens
generation         prompts and seeds to images
"""
