"""`Preprocessing`: from pictures to what a model of vision takes, as data, so that a figure can state it.

A score depends on it as much as on the model: another filter or another order of resizing and cropping is
another score. Pictures are resized by Pillow and cropped by whole pixels, bit for bit as transformers'
processors do (the ones that need no torchvision).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["CLIP_MEAN", "CLIP_STD", "IMAGENET_MEAN", "IMAGENET_STD", "Filter", "Preprocessing"]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Filter = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming", "bilinear-tensor"]
FILTERS: tuple[Filter, ...] = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # by number


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop the centre, normalise. The defaults are OpenAI CLIP's published values.

    Args:
        short: pixels of the short side after resizing.
        crop: of the square that is cut from the middle; None for nothing cut: the picture is squashed to a
            square of ``short`` pixels.
        resample: by which filter; "bilinear-tensor" is torch's antialiased bilinear one on bytes, which
            differs from Pillow's by a level here and there.
        mean, std: of the channels, taken off and divided by.
    """

    short: int = 224
    crop: int | None = 224
    resample: Filter = "bicubic"
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD

    def __post_init__(self) -> None:
        if self.crop is not None and self.crop > self.short:
            raise ValueError(f"a crop of {self.crop} pixels does not fit into a short side of {self.short}")

    @classmethod
    def from_pretrained(cls, model: str | Path) -> Preprocessing:
        """Read ``preprocessor_config.json`` from a folder or a hub id."""
        from transformers.utils import cached_file

        config = json.loads(Path(cached_file(model, "preprocessor_config.json")).read_text())
        size, crop = config.get("size") or config["crop_size"], config.get("crop_size")
        squashed = isinstance(size, dict) and "height" in size
        cut = crop if crop is not None else None if squashed else size
        return cls(
            _pixels(size),
            None if cut is None or not config.get("do_center_crop", True) else _pixels(cut),
            FILTERS[config.get("resample", FILTERS.index("bicubic"))],
            tuple(config["image_mean"]),
            tuple(config["image_std"]),
        )

    @property
    def id(self) -> str:
        """It in a word, but for mean and std, which belong to the model.

        >>> Preprocessing().id, Preprocessing(256).id, Preprocessing(512, None).id
        ('224bicubic', '256bicubic>224', '512x512bicubic')
        """
        if self.crop is None:
            return f"{self.short}x{self.short}{self.resample}"
        return f"{self.short}{self.resample}{f'>{self.crop}' if self.crop != self.short else ''}"

    def __call__(self, images: Sequence[Image]) -> Tensor:
        """``[images, 3, height, width]``, float32."""
        import numpy as np

        levels = torch.stack([self._cropped(self._resized(_opaque(image))) for image in images])
        pixels = torch.from_numpy((levels.numpy() * (1 / 255)).astype(np.float32))  # in float64 first
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean) / std

    def _resized(self, image: Image) -> Tensor:
        """``[3, height, width]``, bytes."""
        import numpy as np
        from PIL.Image import Resampling

        short, long = sorted(image.size)
        far = self.short if self.crop is None else int(self.short * long / short)
        width, height = (self.short, far) if image.width <= image.height else (far, self.short)
        if self.resample != "bilinear-tensor":
            image = image.resize((width, height), Resampling[self.resample.upper()])
            return torch.from_numpy(np.array(image)).permute(2, 0, 1)
        levels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
        resized = torch.nn.functional.interpolate(levels, (height, width), mode="bilinear", antialias=True)
        return resized[0].round().clamp(0, 255).byte()

    def _cropped(self, levels: Tensor) -> Tensor:
        if self.crop is None:
            return levels
        top, left = ((side - self.crop) // 2 for side in levels.shape[1:])
        return levels[:, top : top + self.crop, left : left + self.crop]


def _opaque(image: Image) -> Image:
    """In RGB, what is transparent on white."""
    from PIL import Image as Images

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Images.alpha_composite(Images.new("RGBA", image.size, "white"), image).convert("RGB")


def _pixels(size: Any) -> int:
    return int(size if isinstance(size, int) else size.get("shortest_edge") or size["height"])
