"""`Judge`: a small classifier that reads off a picture what is in it.

"Context kept" and "identity kept" are exact questions to the judge, so they do not lean on the CLIP that
conditions the model. Colour and pattern have no answer in the line styles, where they are not drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from .device import best_device
from .loop import Round, fit
from .pixels import clip_pixels, normalise, to_tensor
from .pool import held_out_scene, training_scene
from .world import ACCESSORIES, COLOURS, PATTERNS, PLACES, STYLES, SUBJECTS, Scene, render
from .world.vocabulary import COLOURLESS_STYLES

HEADS: dict[str, tuple[str | None, ...]] = {
    "subject": tuple(SUBJECTS),
    "colour": tuple(COLOURS),
    "pattern": (None, *PATTERNS),
    "pattern_colour": (None, *COLOURS),
    "place": tuple(PLACES),
    "accessory": (None, *ACCESSORIES),
    "style": tuple(STYLES),
    "second": (None, *SUBJECTS),
}
COLOUR_HEADS = ("colour", "pattern", "pattern_colour")
UNSEEN = -100  # cross_entropy ignores it
ROUNDS = (
    Round(steps=5000, batch=64, lr=2e-3, weight_decay=0.02, ema=0.995),
    Round(steps=3000, batch=96, lr=1e-3, weight_decay=0.05, ema=0.998),  # for patterns and small things
    Round(steps=1800, batch=96, lr=5e-4, weight_decay=0.05, ema=0.998),
)


@dataclass(frozen=True)
class Reading:
    """What the judge sees in one picture; ``None`` means that there is none."""

    subject: str
    colour: str
    pattern: str | None
    pattern_colour: str | None
    place: str
    accessory: str | None
    style: str
    second: str | None


class _Block(nn.Module):
    def __init__(self, channels_in: int, channels: int):
        super().__init__()
        self.down = nn.Conv2d(channels_in, channels, 4, 2, 1, bias=False)
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.GroupNorm(8, channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norms[0](self.down(x)))
        return F.relu(x + self.norms[1](self.conv(x)))


class Judge(nn.Module):
    """Pictures ``[n, 3, 64, 64]`` in [-1, 1] to logits per attribute."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 96, 160)
        self.trunk = nn.Sequential(*(_Block(a, b) for a, b in zip(widths, widths[1:], strict=False)))
        # The 4×4 grid is kept: what stands left, right and above matters.
        self.mix = nn.Linear(160 * 16, 256)
        self.heads = nn.ModuleDict({name: nn.Linear(256, len(values)) for name, values in HEADS.items()})

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        features = F.relu(self.mix(self.trunk(pixels).flatten(1)))
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def decide(self, pixels: Tensor) -> dict[str, Tensor]:
        """Class indices per attribute ``[n]``, by the logits of a picture and its mirror image together."""
        seen, mirrored = self(pixels), self(pixels.flip(-1))
        return {name: (seen[name] + mirrored[name]).argmax(1) for name in HEADS}

    def read(self, images: Sequence[Image.Image]) -> list[Reading]:
        """Read each picture, of any size."""
        decided = self.decide(clip_pixels(list(images)))
        answers = {name: [HEADS[name][i] for i in indices.tolist()] for name, indices in decided.items()}
        return [
            Reading(**dict(zip(answers, row, strict=True))) for row in zip(*answers.values(), strict=True)
        ]


def in_palette_order(scene: Scene) -> Scene:
    """A two-tone body with its colours in the palette's order: a mirror swaps the halves."""
    palette = list(COLOURS)
    if scene.pattern != "two-tone" or palette.index(scene.colour) < palette.index(str(scene.pattern_colour)):
        return scene
    return replace(scene, colour=str(scene.pattern_colour), pattern_colour=scene.colour)


def labels(scenes: Sequence[Scene]) -> dict[str, Tensor]:
    """Class indices per attribute, `UNSEEN` where the style does not show the attribute."""
    scenes = [in_palette_order(scene) for scene in scenes]

    def index(scene: Scene, name: str) -> int:
        hidden = name in COLOUR_HEADS and scene.style in COLOURLESS_STYLES
        return UNSEEN if hidden else HEADS[name].index(getattr(scene, name))

    return {name: torch.tensor([index(s, name) for s in scenes]) for name in HEADS}


def _perturb(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror, shift by up to two pixels, blur, add noise: what generated pictures suffer from."""
    draw = partial(torch.rand, generator=generator, device=x.device)
    mirrored = draw(len(x)) < 0.5
    x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
    dy, dx = torch.randint(-2, 3, (2,), generator=generator, device=x.device).tolist()
    x = F.pad(x, (2, 2, 2, 2), mode="replicate")[..., 2 + dy : 66 + dy, 2 + dx : 66 + dx]
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    amount = draw(len(x), 1, 1, 1)
    x = torch.where(amount < 0.5, x, x.lerp(blurred, (amount - 0.5) * 2))
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    return x + noise * 0.08 * draw(len(x), 1, 1, 1)


def train_judge(pictures: Tensor, folder: Path, rounds: Sequence[Round] = ROUNDS) -> Judge:
    """Train on random pictures of the pool."""
    torch.manual_seed(0)
    model = Judge()
    device = best_device()
    pictures = pictures.to(device)
    targets = {n: t.to(device) for n, t in labels([training_scene(i) for i in range(len(pictures))]).items()}

    def loss(generator: torch.Generator, batch: int) -> Tensor:
        chosen = torch.randint(len(pictures), (batch,), generator=generator, device=device)
        logits = model(_perturb(normalise(pictures[chosen]), generator))
        losses = [F.cross_entropy(logits[n], targets[n][chosen], label_smoothing=0.02) for n in HEADS]
        return torch.stack(losses).sum()

    fit("judge", model, loss, rounds, folder)
    return model


def accuracy(judge: Judge, count: int = 2000) -> dict[str, float]:
    """Share of held-out renders read rightly, per attribute, where the style shows it."""
    scenes = [held_out_scene(10_000 + i) for i in range(count)]
    decided = judge.decide(to_tensor([render(s) for s in scenes]))
    truth = labels(scenes)
    shown = {name: truth[name] != UNSEEN for name in HEADS}
    return {name: (decided[name] == truth[name])[shown[name]].float().mean().item() for name in HEADS}
