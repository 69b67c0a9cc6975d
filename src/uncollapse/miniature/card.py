"""The card beside the weights: what they are, what made them, how good they are."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .concepts import PersonalConcept
from .quality import GUIDANCE_SCALE, STEPS
from .recipes import RECIPES
from .world import describe

TEXT = """# The miniature: a small world and a text-to-image model of it

An ordinary `StableDiffusionPipeline` (`model/`), the `CLIPModel` whose frozen text tower conditions
it (`clip/`), a judge that reads its pictures (`judge.safetensors`) and personal concepts
(`concepts/`). All weights are float16 safetensors and load as float32.

Made from nothing, with no outside data, by

    python -m uncollapse.miniature.build

**Data.** Procedurally drawn 64×64 scenes (`uncollapse.miniature.world`): 12 subjects, 8 colours, 3 patterns,
10 places, 6 accessories, 5 styles, second subjects; captions in varied English. One combination in eight of
subject, place, accessory or second subject, and style occurs in no training scene; the figures below are
on those. The denoiser alone learns from tidy pictures of the same scenes, in which everything faces the same
way and a second subject stands on the right, and so that is how it draws; it looks more often at pictures
with company or an accessory, and harder at what is not background.

**Meant for** trying out, testing and studying personalisation and its cures. It knows nothing of the real
world.

## Settings

{settings}

## Figures

Sampling: {steps} steps, guidance {guidance}.

{figures}

## Personal concepts

Each was photographed as follows, and so it is what its name means to its LoRA.

{concepts}
"""


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_value(v)}" for k, v in value.items())
    if isinstance(value, float):
        return f"{100 * value:.1f}%" if value <= 1 else f"{value:.1f}"
    return str(value)


def write_card(
    path: Path,
    settings: Mapping[str, Mapping[str, Any]],
    figures: Mapping[str, object],
    concepts: Iterable[PersonalConcept],
) -> None:
    """Write the card, with the settings that `fit` logged and the figures that `Build.figures` measured."""
    taught = {"LoRAs": "dreambooth", "embedding": "textual inversion"}
    settings = {**settings, **{what: RECIPES[recipe].given for what, recipe in taught.items()}}
    rows = [f"- {name}: " + ", ".join(f"{k} {v}" for k, v in s.items()) for name, s in settings.items()]
    people = [f"- `{c.placeholder}`: {describe(c.looks)}" for c in concepts]
    text = TEXT.format(
        settings="\n".join(rows),
        figures="\n".join(f"- {name}: {_value(value)}" for name, value in figures.items()),
        concepts="\n".join(people),
        steps=STEPS,
        guidance=GUIDANCE_SCALE,
    )
    path.write_text(text, encoding="utf-8")
