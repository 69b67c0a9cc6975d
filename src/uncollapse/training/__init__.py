"""Personalisation with its trajectory: Textual Inversion, ReVersion, DreamBooth-LoRA, Custom Diffusion.

    from uncollapse.training import TextualInversion, train

    train(pipe, "photos", "out", TextualInversion(placeholder="<my-cat>", class_word="cat"))

settings           what all methods share: steps, batch, precision, what is kept
textual_inversion  reversion, dreambooth_lora, custom_diffusion: each method's settings, and its own in it
inversion          what the first two share, which learn rows of the token table
steering           ReVersion's loss, which keeps a relation among prepositions
train              train(): any of them, from a folder of photos to files
loop, state        the one loop, and what a killed run goes on from
previews           the validation prompt as training goes on
prior              class images, against forgetting what the class looks like
photos, captions   what is learned from: pictures, and their own prompts
templates          or the prompts that they are paired with
families           what differs between Stable Diffusion, SDXL and Flux
"""

from .custom_diffusion import CustomDiffusion
from .dreambooth_lora import DreamBoothLoRA
from .reversion import Reversion
from .textual_inversion import TextualInversion
from .train import train

__all__ = ["CustomDiffusion", "DreamBoothLoRA", "Reversion", "TextualInversion", "train"]
