"""What a model's text encoders have words for: token tables, tokenizers, and learned vectors among the words.

tables        a model's token tables, found in whatever file of it is at hand
words         which tokens are whole words
tokenizers    the tokenizer that goes with a table, found and built
clip          CLIP's own words, bundled
inspection    the vectors of an embedding file beside the words
suggestions   anchors for an embedding that has none

What may be imported from here is below; neither diffusers nor transformers is needed for it.
"""

from .inspection import InspectedRow, inspect
from .suggestions import Suggestion, suggest_anchors
from .tables import Vocabulary, load_vocabularies, vocabularies_for, vocabularies_of

__all__ = [
    "InspectedRow",
    "Suggestion",
    "Vocabulary",
    "inspect",
    "load_vocabularies",
    "suggest_anchors",
    "vocabularies_for",
    "vocabularies_of",
]
