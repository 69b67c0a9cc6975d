"""A text encoder's token table: a row for each token, where words come in and concepts are learned.

Rows are read and written in place. That needs a plain table held in memory: not one that an adapter wraps,
whose rows are not what comes out; not a quantised one, whose rows are codes; not one that is elsewhere until
its turn comes.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import PipelineError, UncollapseError
from .protocols import TextEncoder

__all__ = ["token_table"]


def token_table(
    text_encoder: TextEncoder, caller: str, outcome: str, error: type[UncollapseError] = PipelineError
) -> Tensor:
    """The text encoder's token table, ``[vocabulary, dim]``, detached but sharing memory.

    Args:
        text_encoder: a text encoder of transformers.
        caller: the function that is named in an error, "apply()".
        outcome: what the caller cannot do then, and what helps: the end of the error's first sentence, and
            another.
        error: what is raised.

    Raises: PipelineError, or ``error``, when it is not a plain floating-point table held in memory.
    """
    embedding = text_encoder.get_input_embeddings()
    weight = getattr(embedding, "weight", None)
    if not isinstance(embedding, nn.Embedding) or not isinstance(weight, Tensor):
        what = f"is wrapped by an adapter ({type(embedding).__name__}); merge or unload it first"
    elif not weight.is_floating_point():
        what = f"is quantised ({weight.dtype})"
    elif weight.device.type == "meta":
        what = "is offloaded, layer by layer; turn sequential offload on afterwards"
    else:
        return weight.detach()
    raise error(f"{caller}: the token table of {type(text_encoder).__name__} {what}, so {outcome}")
