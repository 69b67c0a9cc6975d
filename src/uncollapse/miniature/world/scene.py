"""`Scene`: everything one picture shows, and the chances with which scenes occur.

Training scenes follow long tails (see `vocabulary`). One combination of subject, place, extra and
style in eight is held out: it occurs in no training scene, in any colour, and evaluation draws its
prompts from those alone.
"""

import random
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import vocabulary as v

HELD_OUT_ONE_IN = 8


@dataclass(frozen=True)
class Scene:
    """One picture: ``None`` means that the picture has no such thing. ``seed`` fixes the layout.

    In a ``tidy`` one everything faces the same way, and a second subject stands on the right.
    """

    subject: str
    colour: str
    place: str
    style: str = "photo"
    accessory: str | None = None
    second: str | None = None
    second_colour: str | None = None
    pattern: str | None = None
    pattern_colour: str | None = None
    seed: int = 0
    tidy: bool = False

    @property
    def combination(self) -> tuple[str, str, str, str]:
        """What is held out or not: subject, place, accessory or second subject, style."""
        return (self.subject, self.place, self.accessory or self.second or "alone", self.style)


def is_held_out(scene: Scene) -> bool:
    """Whether the scene's combination is kept from training."""
    return zlib.crc32("|".join(scene.combination).encode()) % HELD_OUT_ONE_IN == 0


def _pick(rng: random.Random, everything: Iterable[str], usual: Sequence[str] = ()) -> str:
    if usual and rng.random() < 0.5:
        return rng.choice(usual)
    return rng.choice(list(everything))


def _one_scene(rng: random.Random, style: str | None) -> Scene:
    subject = rng.choice(list(v.SUBJECTS))
    colour = _pick(rng, v.COLOURS, v.USUAL_COLOURS[subject])
    pattern = rng.choice(list(v.PATTERNS)) if rng.random() < 0.25 else None
    extra = rng.random()
    second = rng.choice([s for s in v.SUBJECTS if s != subject]) if extra < 0.28 else None
    accessory = _pick(rng, v.ACCESSORIES, v.USUAL_ACCESSORIES[subject]) if 0.28 <= extra < 0.7 else None
    if style is None:
        style = "photo" if rng.random() < 0.6 else rng.choice([s for s in v.STYLES if s != "photo"])
    return Scene(
        subject=subject,
        colour=colour,
        place=_pick(rng, v.PLACES, v.USUAL_PLACES[subject]),
        style=style,
        accessory=accessory,
        second=second,
        second_colour=_pick(rng, v.COLOURS, v.USUAL_COLOURS[second]) if second else None,
        pattern=pattern,
        pattern_colour=rng.choice([c for c in v.COLOURS if c != colour]) if pattern else None,
        seed=rng.getrandbits(32),
    )


def sample_scene(rng: random.Random, *, held_out: bool = False, style: str | None = None) -> Scene:
    """Draw a scene from the training combinations, or from the held-out ones."""
    while True:
        scene = _one_scene(rng, style)
        if is_held_out(scene) == held_out:
            return scene
