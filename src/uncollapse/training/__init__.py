"""Personalisation with its trajectory: Textual Inversion, ReVersion, DreamBooth-LoRA, Custom Diffusion.

    from uncollapse.training import TextualInversion, train

    train(pipe, "photos", "out", TextualInversion(placeholder="<my-cat>", class_word="cat"))

methods            METHODS: every method by its name; @registered adds one
settings           what all methods share: steps, batch, precision, what is kept
textual_inversion  reversion, dreambooth_lora, custom_diffusion: each method's settings, and its own in it
inversion          what the first two share, which learn rows of the token table; row_loading: their files
steering           ReVersion's loss, which keeps a relation among prepositions
train              train(): any of them, from a folder of photos to files
loop, state        the one loop, and what a killed run goes on from
previews           the validation prompt as training goes on
prior              class images, against forgetting what the class looks like
photos, captions   what is learned from: pictures, and their own prompts
templates          or the prompts that they are paired with
families           what differs between Stable Diffusion, SDXL and Flux
"""

# isort: off
# In the order in which the methods are listed.
from .textual_inversion import TextualInversion
from .reversion import Reversion
from .dreambooth_lora import DreamBoothLoRA
from .custom_diffusion import CustomDiffusion

# isort: on
from .learner import Group, Learner, Task
from .methods import METHODS, method_of, registered, settings_of
from .settings import Settings
from .train import train

__all__ = [
    "METHODS",
    "CustomDiffusion",
    "DreamBoothLoRA",
    "Group",
    "Learner",
    "Reversion",
    "Settings",
    "Task",
    "TextualInversion",
    "method_of",
    "registered",
    "settings_of",
    "train",
]
