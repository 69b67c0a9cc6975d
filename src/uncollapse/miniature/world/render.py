"""`render`: a scene drawn at three times its size, put into its style and averaged down to 64×64.

`foreground` tells where in it things are.
"""

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import accessories, places, subjects
from .pen import OVERSAMPLING, SIZE, Colour, Pen
from .scene import Scene
from .styles import FILTERS
from .vocabulary import COLOURS


def _paint_pattern(image: Image.Image, base: Colour, pen: Pen, pattern: str, colour: Colour) -> Image.Image:
    """Repaint part of the pixels that have exactly the body colour, by a rule in the pen's units."""
    pixels = np.asarray(image).copy()
    body = (pixels == np.array([*base, 255], np.uint8)).all(-1)
    rows, columns = np.nonzero(body)
    x = pen.sign * (columns / OVERSAMPLING - pen.x) / pen.unit
    y = (rows / OVERSAMPLING - pen.y) / pen.unit
    if pattern == "striped":
        chosen = np.mod(x + 0.4 * y + 0.1, 0.56) < 0.27
    elif pattern == "spotted":
        row = np.floor(y / 0.44)
        dx = np.mod(x + 0.25 * np.mod(row, 2), 0.5) - 0.25
        dy = np.mod(y, 0.44) - 0.22
        chosen = dx**2 + dy**2 < 0.17**2
    else:
        chosen = x < 0
    pixels[rows[chosen], columns[chosen], :3] = colour
    return Image.fromarray(pixels, "RGBA")


def _draw_subject(
    canvas: Image.Image,
    name: str,
    colour: str,
    place: tuple[float, float, float, bool],
    pattern: tuple[str | None, str | None],
    accessory: str | None,
) -> None:
    layer = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    pen = Pen(layer, *place)
    # One step off the palette, so that no eye, wheel or belly shares the exact body colour.
    r, g, b = COLOURS[colour]
    base = (r - 1, g, b)
    grips = subjects.DRAWINGS[name](pen, base)
    if pattern[0] and pattern[1]:
        layer = _paint_pattern(layer, base, pen, pattern[0], COLOURS[pattern[1]])
    canvas.paste(layer, (0, 0), layer)
    if accessory:
        accessories.DRAWINGS[accessory](Pen(canvas, *place), grips)


def _paint(scene: Scene) -> tuple[Image.Image, Image.Image]:
    """The place alone, and with everything in it, at three times the size and without the style."""
    rng = random.Random(scene.seed)
    canvas = Image.new("RGB", (SIZE * OVERSAMPLING, SIZE * OVERSAMPLING))
    places.DRAWINGS[scene.place](Pen(canvas, shading=False), rng)
    empty = canvas.copy()
    mirrored = rng.random() < 0.5 and not scene.tidy
    x = 32 + rng.uniform(-2.5, 2.5)
    unit = 18 * rng.uniform(0.95, 1.05)
    y = 58 + rng.uniform(-1, 1.5) - unit
    if scene.second:
        side = rng.choice((-1, 1))
        side = -1 if scene.tidy else side
        x, unit = x + side * 11, unit * 0.85
        y = 58 + rng.uniform(-1, 1) - unit
        small = unit * 0.7
        _draw_subject(
            canvas,
            scene.second,
            scene.second_colour or "red",
            (
                32 - side * 18 + rng.uniform(-1.5, 1.5),
                58 + rng.uniform(-1, 1) - small,
                small,
                rng.random() < 0.5 and not scene.tidy,
            ),
            (None, None),
            None,
        )
    _draw_subject(
        canvas,
        scene.subject,
        scene.colour,
        (x, y, unit, mirrored),
        (scene.pattern, scene.pattern_colour),
        scene.accessory,
    )
    return empty, canvas


def render(scene: Scene) -> Image.Image:
    """Draw the scene, RGB, 64×64. The same scene always gives the same pixels."""
    _, canvas = _paint(scene)
    pixels = FILTERS[scene.style](np.asarray(canvas, np.float32) / np.float32(255))
    small_pixels = pixels.reshape(SIZE, OVERSAMPLING, SIZE, OVERSAMPLING, 3).mean((1, 3))
    return Image.fromarray((small_pixels * 255 + 0.5).astype(np.uint8))


def foreground(scene: Scene) -> NDArray[np.float32]:
    """How much of each pixel ``[64, 64]`` of `render` shows a subject or what it wears, from 0 to 1."""
    empty, canvas = (np.asarray(image) for image in _paint(scene))
    shown = (empty != canvas).any(-1).reshape(SIZE, OVERSAMPLING, SIZE, OVERSAMPLING)
    share: NDArray[np.float32] = shown.mean((1, 3), dtype=np.float32)
    return share
