"""A pipeline's parts: what encodes text, what denoises, what is switched on and off.

protocols   Pipeline, Tokenizer, TextEncoder: what the library asks of each
parts       the modules, the denoiser, the pipelines that a combined one is made of
names       what files call text encoders, and how wide each is
encoders    text encoders and tokenizers, by their own names and by those of files
tables      a text encoder's token table, where it can be read and written
adapters    LoRA and the rest of PEFT, off or weaker for a while

Nothing here imports diffusers or transformers: a pipeline is whatever has these parts. An error begins with
the function that was called, which is told to whatever may raise one.
"""

from .adapters import (
    adapter_tensors,
    adapters_in,
    adapters_off,
    adapters_scaled,
    has_adapters,
    without_adapters,
)
from .encoders import encoder_names, encoders_of, text_encoders, tokenizers, tokens_and_encoders
from .names import ENCODERS, FAMILIES, ONLY, encoder_name
from .parts import DENOISERS, denoiser, inner_pipelines, modules
from .protocols import Pipeline, TextEncoder, Tokenizer, TokenizesText
from .tables import token_table

__all__ = [
    "DENOISERS",
    "ENCODERS",
    "FAMILIES",
    "ONLY",
    "Pipeline",
    "TextEncoder",
    "Tokenizer",
    "TokenizesText",
    "adapter_tensors",
    "adapters_in",
    "adapters_off",
    "adapters_scaled",
    "denoiser",
    "encoder_name",
    "encoder_names",
    "encoders_of",
    "has_adapters",
    "inner_pipelines",
    "modules",
    "text_encoders",
    "token_table",
    "tokenizers",
    "tokens_and_encoders",
    "without_adapters",
]
