"""Adjusts diffusers pipelines in place and gives them back untouched.

    handle           apply(pipe, …): checked, and put in force
    in_force         which pipeline and which encoder is adjusted; the handle that undoes it, and remove(pipe)
    token_level      learned rows of the token table
    prompt_level     the text encoder's output, by encoding the prompt and its anchor twin
    schedule         alpha over the denoising steps, through callback_on_step_end
    encode_step      how a pipeline's own encode method is wrapped, and what its results look like
    own_methods      methods for one instance alone, not for its copies
    blocks           the same for modular pipelines, which encode in blocks
    encoder_calls    what the text encoders are given and return during it, and running it again without them
    pairing          which token that an encoder is given moves toward which of its twin
    readings         what such a row of tokens may say: the user's prompt, or the text read back from it
    retyping         where in a text that was read back the user's prompt stands
    encoded          both prompts, encoded and paired: all that an adjustment needs but the settings
    following        how that is made: tokens followed to the result, their roles and whose they are
    sources          which text encoder each number of the result comes from
    resemblance      the same by what vectors look like, where no ids can be seen
    cache            what text encoders answered, kept for the next call
    fingerprint      what such an answer depends on
    anchor_encoder   the frozen base encoder, for the anchor twin

Nothing here imports diffusers: a pipeline is whatever has these parts.
"""

from . import cache
from .handle import apply, level_of
from .in_force import Handle, remove

__all__ = ["Handle", "apply", "cache", "level_of", "remove"]
