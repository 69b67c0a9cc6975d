"""Cure a LoRA

A LoRA that was taught one dog draws that dog, and nothing else that it is asked for. Here its scene comes
back, what that costs is counted, and what else would have helped stands beside it.
"""

from dataclasses import replace

from tutorial import Described, TextScaled, settings, sheet, table

import uncollapse as uc
from uncollapse.comparison import PERSONALISED, Arm, compare
from uncollapse.subjects import bundled

options = settings()

# The bundled miniature, an ordinary `StableDiffusionPipeline` small enough for any machine, with the LoRA
# that five photos of a green and pink dog in a city have left. With a model of your own these lines are
# `DiffusionPipeline.from_pretrained(…)` and `pipe.load_lora_weights(…)`.

own = bundled("dog")
pipe = own.pipeline()
print(own.personal.placeholder, "is a", own.personal.anchor)

# To adjust is one line around any call of the pipeline. `alpha` says how far the name is turned back toward
# the plain word; α 0.6 is what these LoRAs need. The paper's 0.2 is tried below. `beta` 1 leaves all words
# as long as the base model has them.

with uc.apply(pipe, "sks dog", anchor="dog", alpha=0.6, beta=1.0):
    image = pipe("a photo of sks dog in the snow", num_inference_steps=options.steps).images[0]
image.save(options.output / "one.png")

# One picture proves nothing. So the same prompts are drawn with the same seeds in several ways: as the LoRA
# does it, adjusted by the paper's α and by a larger one, and in two ways that need nothing of this package.
# One turns the LoRA down in the text encoder alone, which diffusers calls `pipe.set_adapters("default_0",
# {"text_encoder": 0.25, "unet": 1.0})` and ComfyUI the clip strength. The other is to do without the LoRA
# and to describe the dog.

arms = [
    PERSONALISED,
    Arm("TEA, α 0.2", uc.Adjustment(alpha=0.2, beta=1.0)),
    Arm("TEA, α 0.6", uc.Adjustment(alpha=0.6, beta=1.0)),
    TextScaled("LoRA, text at 0.25", scale=0.25),
    TextScaled("LoRA, text at 0", scale=0.0),
    Described("base, described", personalised=False, words="a green dog with a pink half"),
]
comparison = compare(
    pipe,
    own.concept(),
    own.prompts()[: options.prompts],
    range(options.seeds),
    arms,
    replace(own.miniature.drawing, num_inference_steps=options.steps),
    [own.judged()],
)
sheet(comparison, options.output / "cure_a_lora.jpg")

# ![A row a prompt: the LoRA and α 0.2 draw the dog in its city; α 0.6 and the LoRA turned down draw most
# scenes that were asked for, the base model all](../images/cure_a_lora.jpg)
#
# The miniature's judge counts who kept what. With a model of your own there is CLIP (`uncollapse generate
# --clip`) and there are your eyes.

table(comparison)

# **What it costs and what else there is.** α 0.2, the paper's, does nothing for a collapse as deep as this
# one; 0.6 brings most scenes back. For this dog the likeness survives that, for others it does not: over
# all six bundled concepts α 0.6 keeps 84% of the scenes at 78% of the likeness ([the
# table](../miniature.md)). Turning the LoRA down in the text encoder does as much or more here and costs
# nothing: what was learned sits in the denoiser's half, the collapse in the text encoder's. Try it first.
# Where the text encoder holds the likeness, or has no adapter that could be turned down, it takes the
# likeness along or cannot be done. And a dog that can be described in a few words need not be learned; most
# can not.
