"""What the tutorials share: options, two rivals of the adjustment, a table and a sheet of pictures."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt

from uncollapse import Concept
from uncollapse.comparison import Arm, Comparison
from uncollapse.metrics import share


def settings(**more: int) -> Namespace:
    """The options of the command line; ``more`` are further ones, with what they are by default."""
    parser = ArgumentParser()
    parser.add_argument("--output", type=Path, default=Path("outputs/tutorial"))
    for name, usual in {"prompts": 8, "seeds": 2, "steps": 20, **more}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=usual)
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    return chosen


@dataclass(frozen=True)
class Described(Arm):
    """The base model, which never saw the individual, asked for what it looks like."""

    words: str = ""

    def asked(self, concept: Concept, template: str) -> str:
        return template.replace("{}", self.words)


@dataclass(frozen=True)
class TextScaled(Arm):
    """The personalised model, its LoRA turned down in the text encoder and left as it is in the denoiser."""

    scale: float = 1.0

    @contextmanager
    def drawing(self, pipe: Any, concept: Concept, base: Any = None) -> Iterator[Any]:
        loras = pipe.get_active_adapters()
        pipe.set_adapters(loras, {"text_encoder": self.scale, "unet": 1.0})
        try:
            yield pipe
        finally:
            pipe.set_adapters(loras, 1.0)


def table(comparison: Comparison) -> None:
    """Print how many pictures keep the scene, the likeness, and both; [ ] is the 95% interval of a share."""
    print(f"{'':20} {'scene kept':16} {'likeness kept':16} both")
    for arm in comparison.arms:
        kept = [(r.scores["context_kept"], r.scores["identity_kept"]) for r in comparison.of(arm.name)]
        shares = [share(map(bool, each)) for each in (*zip(*kept, strict=True), map(all, kept))]
        print(f"{arm.name:20}", *(f"{each!s:16}" for each in shares[:2]), shares[2])


def sheet(comparison: Comparison, path: Path, rows: int = 4) -> None:
    """Save a picture of the first prompts, each with its first seed: a row a prompt, a column an arm."""
    prompts = comparison.prompts[:rows]
    size = (1.5 * len(comparison.arms), 1.6 * len(prompts) + 0.4)
    figure, axes = plt.subplots(len(prompts), len(comparison.arms), figsize=size, squeeze=False)
    for column, arm in enumerate(comparison.arms):
        axes[0, column].set_title(arm.name.replace(", ", ",\n"), fontsize=9)
        for row, prompt in enumerate(prompts):
            record = comparison.of(arm.name)[row * len(comparison.seeds)]
            axes[row, column].imshow(record.image, interpolation="lanczos")
            axes[row, column].set(xticks=[], yticks=[])
            if column == 0:
                axes[row, column].set_ylabel(fill(prompt.context, 16), fontsize=8)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=100)
    plt.close(figure)
