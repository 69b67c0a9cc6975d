"""Draw a sheet of the miniature's world: every subject and place, accessories, patterns, styles, company.

python examples/draw_the_world.py docs/images/world.png
"""

import sys
from itertools import cycle, islice
from pathlib import Path

from PIL import Image

from uncollapse.miniature.world import ACCESSORIES, COLOURS, PATTERNS, PLACES, STYLES, SUBJECTS, Scene, render

GAP = 4


def rows() -> list[list[Scene]]:
    """Each row goes through the subjects, and shows one more thing."""
    subjects, colours, places = list(SUBJECTS), cycle(COLOURS), cycle(PLACES)
    plain = [Scene(s, next(colours), next(places), seed=i) for i, s in enumerate(subjects)]
    accessories = cycle(ACCESSORIES)
    next(places)
    dressed = [
        Scene(s, next(colours), next(places), accessory=next(accessories), seed=i)
        for i, s in enumerate(subjects)
    ]
    patterns, others = cycle(PATTERNS), islice(cycle(COLOURS), 3, None)
    next(places)
    patterned = [
        Scene(s, next(colours), next(places), pattern=next(patterns), pattern_colour=next(others), seed=i)
        for i, s in enumerate(subjects)
    ]
    seconds = islice(cycle(subjects), 5, None)
    next(places)
    together = [
        Scene(s, next(colours), next(places), second=next(seconds), second_colour=next(colours), seed=i)
        for i, s in enumerate(subjects)
    ]
    styles = cycle([s for s in STYLES if s != "photo"])
    next(places)
    styled = [
        Scene(s, next(colours), next(places), style=next(styles), seed=i) for i, s in enumerate(subjects)
    ]
    return [plain, dressed, patterned, together, styled]


def main(path: Path) -> None:
    scenes = rows()
    size = 64
    sheet = Image.new("RGB", (len(scenes[0]) * (size + GAP) - GAP, len(scenes) * (size + GAP) - GAP), "white")
    for y, row in enumerate(scenes):
        for x, scene in enumerate(row):
            sheet.paste(render(scene), (x * (size + GAP), y * (size + GAP)))
    sheet.save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "world.png"))
