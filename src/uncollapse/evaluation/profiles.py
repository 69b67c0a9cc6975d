"""Profiles: the scores of publications, as data: which model, how pictures are prepared, compared, scaled.

One name, CLIP-I, is a different number in every paper. Here each says all that it depends on, and its
identity is printed beside every figure:

    clip_i|openai/clip-vit-base-patch32@0a1b2c3d4e5f|224bicubic|projection|100cos|refs=all|mean

Cosines are × 100 throughout, also where a paper prints them between 0 and 1. What a paper leaves open, or
averages over batches, is averaged over pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..errors import FileFormatError
from ..metrics.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing

__all__ = ["PROFILES", "Encoder", "Profile", "ProfileScore", "profile_called"]

Option = Literal["clip", "dino", "siglip"]
Pooling = Literal["projection", "cls", "mean of tokens"]
Scale = Literal["100cos", "100max0cos", "250max0cos", "100sigmoid"]
Against = Literal[
    "text=context", "text=concept", "text=full", "text=full.", "text=published", "refs=all", "refs=one"
]

CLIPS_OWN = Preprocessing()


@dataclass(frozen=True)
class Encoder:
    """A model of vision, and how it is used.

    Args:
        model: as it is published.
        option: which option the user gives it with.
        shape: its type, hidden size and patch size, to tell whether a folder holds it; None for any.
        pooling: what of its output is compared.
        preprocessing: of pictures; None for the model's own.
    """

    model: str
    option: Option
    shape: tuple[str, int, int] | None = None
    pooling: Pooling = "projection"
    preprocessing: Preprocessing | None = CLIPS_OWN


@dataclass(frozen=True)
class ProfileScore:
    """A score of a profile.

    Args:
        name: in ``metrics.SCORES``.
        encoder: what looks at pictures and texts.
        against: what a picture is compared with.
        scale: what becomes of the cosine.
    """

    name: str
    encoder: Encoder
    against: Against
    scale: Scale = "100cos"


@dataclass(frozen=True)
class Profile:
    """The scores of one publication.

    Args:
        name: as commands call it.
        source: whose it is.
        scores: all of them.
        published: what some scores are compared with in the published code, in the stead of what was meant.
    """

    name: str
    source: str
    scores: tuple[ProfileScore, ...]
    published: dict[str, Against]

    def as_published(self) -> Profile:
        """With the published code's slips.

        Raises: FileFormatError, where none is known.
        """
        if not self.published:
            raise FileFormatError(
                f"The profile {self.name} has no slips that are known. Leave as_published out."
            )
        scores = [replace(each, against=self.published.get(each.name, each.against)) for each in self.scores]
        return replace(self, scores=tuple(scores))


CLIP_L = Encoder("openai/clip-vit-large-patch14", "clip", ("clip", 1024, 14))
CLIP_B = Encoder("openai/clip-vit-base-patch32", "clip", ("clip", 768, 32))
ON_BYTES = replace(CLIP_L, preprocessing=Preprocessing(resample="bilinear-tensor"))
ANY_CLIP = Encoder("any CLIP", "clip", preprocessing=None)
DINO = Preprocessing(256, 224, "bicubic", IMAGENET_MEAN, IMAGENET_STD)
DINO_S16 = Encoder("facebook/dino-vits16", "dino", ("vit", 384, 16), "cls", DINO)
DINO_S8 = Encoder("facebook/dino-vits8", "dino", ("vit", 384, 8), "cls", DINO)
DINO2_S = Encoder("facebook/dinov2-small", "dino", ("dinov2", 384, 14), "cls", DINO)
DINO2_B = Encoder("facebook/dinov2-base", "dino", ("dinov2", 768, 14), "cls", DINO)
HALF = (0.5, 0.5, 0.5)
SIGLIP = Encoder(
    "google/siglip-base-patch16-512",
    "siglip",
    ("siglip", 768, 16),
    preprocessing=Preprocessing(512, None, "bicubic", HALF, HALF),
)

PROFILES = {
    each.name: each
    for each in (
        Profile(
            "uncollapse",
            "this project's own, by any CLIP; on the bundled suite by the miniature's CLIP and judge",
            (
                ProfileScore("clip_t_context", ANY_CLIP, "text=context"),
                ProfileScore("clip_t_concept", ANY_CLIP, "text=concept"),
                ProfileScore("clip_t_full", ANY_CLIP, "text=full"),
                ProfileScore("clip_i", ANY_CLIP, "refs=all"),
            ),
            {},
        ),
        Profile(
            "tea-paper",
            "arXiv:2506.22685",
            (
                ProfileScore("clip_t_context", ON_BYTES, "text=context", "100max0cos"),
                ProfileScore("clip_t_concept", ON_BYTES, "text=concept", "100max0cos"),
                ProfileScore("clip_t_full", ON_BYTES, "text=full", "100max0cos"),
                ProfileScore("clip_i", ON_BYTES, "refs=one", "100max0cos"),
                ProfileScore("dino_i", replace(DINO2_B, pooling="mean of tokens"), "refs=one"),
            ),
            {"clip_t_full": "text=published"},  # with a literal {} in it
        ),
        Profile(
            "dreambooth",
            "arXiv:2208.12242",
            (
                ProfileScore("clip_t_full", CLIP_B, "text=full"),
                ProfileScore("clip_i", CLIP_B, "refs=all"),
                ProfileScore("dino_i", DINO_S16, "refs=all"),
            ),
            {},
        ),
        Profile(
            "cc101",
            "arXiv:2212.04488",
            (
                ProfileScore("clip_t_full", CLIP_B, "text=full", "250max0cos"),
                ProfileScore("clip_i", CLIP_B, "refs=all"),
                ProfileScore("dino_i", DINO_S16, "refs=all"),
            ),
            {},
        ),
        Profile(
            "dreambench++",
            "arXiv:2406.16855",
            (
                ProfileScore("clip_t_full", CLIP_B, "text=full"),
                ProfileScore("clip_i", CLIP_B, "refs=one"),
                ProfileScore("dino_i", DINO_S8, "refs=one"),
                ProfileScore("dino_i", DINO2_S, "refs=one"),
            ),
            {},
        ),
        Profile(
            "dti",
            "Directional Textual Inversion; photos are not masked here",
            (
                ProfileScore("siglip_t", SIGLIP, "text=full.", "100sigmoid"),
                ProfileScore("dino_i", DINO2_B, "refs=all"),
            ),
            {},
        ),
    )
}
"""By name."""


def profile_called(name: str) -> Profile:
    """The profile of this name.

    Raises: FileFormatError, where there is none.
    """
    if name not in PROFILES:
        raise FileFormatError(f"There is no profile '{name}', only {', '.join(PROFILES)}.")
    return PROFILES[name]
