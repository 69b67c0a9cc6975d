"""Comparisons made of coloured squares and chosen scores, for the tests of what is made of them."""

from __future__ import annotations

from toys.miniature import FakePrompt
from toys.pictures import picture
from uncollapse import Concept
from uncollapse.comparison import BASE, PERSONALISED, Comparison, Record, tea_arms
from uncollapse.models.generation import GenerationSettings

COLOURS = {"base": "orange", "personalised": "firebrick"}
CONCEPT = Concept("sks cat", anchor="cat")
PROMPTS = [
    FakePrompt("a photo of {} in the snow", "in the snow"),
    FakePrompt("{} on the beach", "on the beach"),
]


def made_up(
    kept: dict[str, tuple[int, int]] | None = None, clip: dict[str, tuple[float, float]] | None = None
):
    """Ten images an arm.

    Args:
        kept: arm -> how many of them keep the context, how many the identity.
        clip: arm -> CLIP-T of the context, CLIP-I.
    """
    names = list(kept or clip or dict.fromkeys(["base", "personalised", "TEA α 0.2"]))
    adjusted = tea_arms([float(name.split()[-1]) for name in names if name.startswith("TEA")])
    arms = [arm for arm in (BASE, PERSONALISED) if arm.name in names] + adjusted
    prompts = [FakePrompt(f"a photo of {{}} in scene {i}", f"in scene {i}") for i in range(5)]
    records = []
    for arm in arms:
        for i in range(10):
            scores: dict[str, float | bool] = {}
            if kept:
                context, identity = kept[arm.name]
                scores |= {"context_kept": i < context, "identity_kept": i < identity}
            if clip:
                scores |= {"clip_t_context": clip[arm.name][0], "clip_i": clip[arm.name][1]}
            prompt = prompts[i // 2]
            image = picture(COLOURS.get(arm.name, "seagreen"), 32)
            records.append(
                Record(arm.name, prompt.template.replace("{}", "x"), prompt.context, i % 2, image, scores)
            )
    concept = Concept("sks cat", "cat")
    return Comparison(concept, tuple(arms), tuple(prompts), (0, 1), GenerationSettings(), tuple(records))
