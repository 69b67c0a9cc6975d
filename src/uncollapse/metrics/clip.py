"""CLIP-T and CLIP-I: how well images fit a text, and how much they look like reference photos.

    CLIP-T(x, t) = 100 · cos(f(x), g(t))
    CLIP-I(x, R) = 100 · mean over r in R of cos(f(x), f(r))

f and g are CLIP's image and text projections. Three texts t are of interest (arXiv:2506.22685, section 5):
the context ("in the snow"), the concept ("cat"), and the full prompt with the placeholder replaced by its
class word ("a photo of cat in the snow"). The formulas stand apart from the model so that any features do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from ..errors import FileFormatError
from .preprocessing import Preprocessing

if TYPE_CHECKING:
    from jaxtyping import Float
    from PIL.Image import Image

__all__ = ["ClipScorer", "clip_i", "clip_t"]


def clip_t(
    image_features: Float[Tensor, "*#images dim"], text_features: Float[Tensor, "*#images dim"]
) -> Float[Tensor, "*#images"]:
    """100 · cosine of each image with its text.

    Args:
        image_features: ``[images, dim]``.
        text_features: ``[images, dim]``, or ``[dim]`` for one text shared by all.

    Returns: ``[images]``, in [−100, 100]; float32 at least. A zero vector scores 0.
    Source: arXiv:2506.22685, section 5 (S_T^p, S_T^c, S_T^f, by the text given).

    >>> clip_t(torch.tensor([[3.0, 4.0]]), torch.tensor([3.0, 4.0]))
    tensor([100.])
    """
    return 100 * cosine_similarity(image_features.float(), text_features.float(), dim=-1)


def clip_i(
    image_features: Float[Tensor, "images dim"], reference_features: Float[Tensor, "references dim"]
) -> Float[Tensor, " images"]:
    """100 · mean cosine of each image with all reference photos.

    Args:
        image_features: ``[images, dim]``.
        reference_features: ``[references, dim]``.

    Returns: ``[images]``, in [−100, 100].
    Source: arXiv:2506.22685, section 5 (CLIP-I).
    """
    return clip_t(image_features[:, None], reference_features[None]).mean(dim=1)


class ClipScorer:
    """A CLIP model with its tokenizer and its image preprocessing, ready to give features.

    Args:
        model: any transformers ``CLIPModel``.
        tokenizer: the tokenizer it was trained with.
        pixels: turns PIL images into the tensor ``[n, 3, height, width]`` the model takes, best one by one:
            they may be opened only when they are looked at.
    """

    def __init__(self, model: Any, tokenizer: Any, pixels: Callable[[Sequence[Image]], Tensor]) -> None:
        self.model, self.tokenizer, self.pixels = model.eval(), tokenizer, pixels

    @classmethod
    def from_pretrained(cls, model: str | Path) -> ClipScorer:
        """Load from a folder or a hub id: model, tokenizer, and the preprocessing it names."""
        from transformers import AutoTokenizer, CLIPModel

        try:
            return cls(
                CLIPModel.from_pretrained(model),
                AutoTokenizer.from_pretrained(model),
                Preprocessing.from_pretrained(model),
            )
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).strip().split("\n")[0]
            raise FileFormatError(
                f"'{model}' does not load as a CLIP model: {reason} "
                "Give a folder or hub id that holds a CLIPModel, its tokenizer and preprocessor_config.json."
            ) from error

    @torch.inference_mode()
    def image_features(self, images: Sequence[Image]) -> Float[Tensor, "images dim"]:
        """``[images, dim]``, as projected by the model; not normalised."""
        pixel_values = self.pixels(images).to(self.model.device, self.model.dtype)
        return _projected(self.model.get_image_features(pixel_values=pixel_values))

    @torch.inference_mode()
    def text_features(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        """``[texts, dim]``; texts longer than the model's window are cut."""
        tokens = self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self.model.config.text_config.max_position_embeddings,
            return_tensors="pt",
        ).to(self.model.device)
        return _projected(
            self.model.get_text_features(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask)
        )


def _projected(features: Any) -> Tensor:
    """transformers 5 wraps the projection in an output object; earlier versions return the tensor."""
    return features if isinstance(features, Tensor) else features.pooler_output
