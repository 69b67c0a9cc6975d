"""Personalisation with its trajectory: Textual Inversion, DreamBooth-LoRA, Custom Diffusion.

    from uncollapse.training import TextualInversion, train

    train(pipe, "photos", "out", TextualInversion(placeholder="<my-cat>", class_word="cat"))

settings           what all methods share: steps, batch, precision, what is kept
textual_inversion  dreambooth_lora, custom_diffusion: each method's settings, what it learns and its loss
train              train(): any of them, from a folder of photos to files
loop, state        the one loop, and what a killed run goes on from
prior              class images, against forgetting what the class looks like
photos, templates  what is learned from: pictures, and the prompts they are paired with
families           what differs between Stable Diffusion, SDXL and Flux
"""

from .custom_diffusion import CustomDiffusion
from .dreambooth_lora import DreamBoothLoRA
from .textual_inversion import TextualInversion
from .train import train

__all__ = ["CustomDiffusion", "DreamBoothLoRA", "TextualInversion", "train"]
