"""The ten places: each fills the picture behind the subject, and no two of them share their outlines."""

import random
from collections.abc import Callable

from .pen import Pen, circle_points

WHITE = (255, 255, 255)


def _fill(pen: Pen, top: float, bottom: float, colour: tuple[int, int, int]) -> None:
    pen.box(-1, top, 65, bottom, colour, None)


def snow(pen: Pen, rng: random.Random) -> None:
    _fill(pen, -1, 65, (178, 210, 236))
    for x, peak, half in (
        (rng.uniform(4, 16), rng.uniform(8, 14), 22),
        (rng.uniform(44, 60), rng.uniform(4, 12), 24),
    ):
        pen.polygon([(x - half, 46), (x, peak), (x + half, 46)], (120, 140, 170))
        pen.polygon(
            [(x - 8, peak + 13), (x, peak), (x + 8, peak + 13), (x + 3, peak + 10), (x - 3, peak + 14)], WHITE
        )
    pen.ellipse(32, 66, 52, 24, (240, 246, 252))
    for _ in range(9):
        pen.dot(rng.uniform(0, 64), rng.uniform(0, 62), rng.uniform(0.9, 1.3), WHITE)


def beach(pen: Pen, rng: random.Random) -> None:
    _fill(pen, -1, 34, (135, 206, 240))
    pen.ellipse(rng.uniform(26, 40), rng.uniform(8, 12), 6, 6, (255, 226, 90), (250, 190, 60))
    _fill(pen, 28, 44, (30, 140, 190))
    for y in (32, 37):
        pen.line([(x, y + (x // 4 % 2)) for x in range(0, 66, 4)], (110, 190, 220), 1.2)
    pen.ellipse(32, 64, 56, 24, (244, 216, 150), (225, 190, 120))
    x = rng.choice((rng.uniform(3, 8), rng.uniform(56, 61)))
    pen.curve((x, 52), (x + 2, 36), (x + 1, 20), (140, 95, 55), 2.4)
    for dx, dy in ((-9, 3), (-7, -4), (0, -7), (7, -4), (9, 3)):
        pen.curve((x + 1, 20), (x + 1 + dx * 0.6, 20 + dy - 3), (x + 1 + dx, 20 + dy + 2), (40, 140, 60), 1.8)


def forest(pen: Pen, rng: random.Random) -> None:
    _fill(pen, -1, 65, (150, 190, 140))
    for x in (rng.uniform(22, 42), rng.uniform(2, 12), rng.uniform(52, 62)):
        pen.box(x - 2, 30, x + 2, 50, (100, 68, 42))
        for foot, half in ((34, 13), (23, 11), (13, 8)):
            pen.polygon([(x - half, foot), (x, foot - 16), (x + half, foot)], (30, 100, 55))
    _fill(pen, 48, 65, (64, 120, 56))
    for _ in range(7):
        x, y = rng.uniform(2, 62), rng.uniform(52, 63)
        pen.line([(x - 1.5, y - 2.5), (x, y), (x + 1.5, y - 2.5)], (34, 84, 36), 0.8)


def desert(pen: Pen, rng: random.Random) -> None:
    _fill(pen, -1, 65, (255, 224, 170))
    pen.ellipse(rng.uniform(10, 54), 9, 5, 5, (255, 250, 220), (250, 190, 90))
    pen.ellipse(rng.uniform(5, 20), 60, 40, 24, (232, 178, 96), (190, 135, 70))
    pen.ellipse(rng.uniform(46, 60), 66, 44, 24, (242, 194, 112), (190, 135, 70))
    x = rng.choice((rng.uniform(5, 10), rng.uniform(54, 59)))
    for start, bend, end in (
        ((x, 52), (x, 40), (x, 24)),
        ((x, 42), (x - 6, 42), (x - 5, 33)),
        ((x, 38), (x + 6, 38), (x + 5, 29)),
    ):
        pen.curve(start, bend, end, (30, 80, 45), 4.2)
        pen.curve(start, bend, end, (70, 150, 80), 2.6)


def city(pen: Pen, rng: random.Random) -> None:
    _fill(pen, -1, 65, (190, 200, 220))
    x = -3.0
    while x < 64:
        width, top = rng.uniform(14, 19), rng.uniform(4, 20)
        pen.box(x, top, x + width, 50, rng.choice(((108, 116, 140), (136, 124, 140), (92, 100, 120))))
        for column in (0.26, 0.74):
            for wy in range(int(top) + 4, 44, 8):
                middle = x + column * width
                pen.box(middle - 2, wy, middle + 2, wy + 4.5, (222, 204, 140), None)
        x += width
    _fill(pen, 49, 65, (84, 84, 92))
    for x in range(2, 64, 12):
        pen.box(x, 60, x + 6, 61.5, WHITE, None)


def ocean(pen: Pen, rng: random.Random) -> None:
    for i in range(8):
        _fill(pen, i * 8 - 1, i * 8 + 9, (30 - i * 2, 140 - i * 11, 205 - i * 10))
    pen.line([(x, 4 + 2 * (x // 4 % 2)) for x in range(-2, 68, 4)], (190, 235, 250), 1.4)
    pen.ellipse(32, 68, 50, 12, (210, 190, 140), (170, 150, 105))
    for x in (rng.uniform(3, 9), rng.uniform(55, 61), rng.uniform(10, 16)):
        for side in (-2.5, 2.5):
            pen.curve((x, 62), (x + side * 2, 52), (x + side, rng.uniform(36, 44)), (20, 130, 80), 2)
    for _ in range(6):
        r = rng.uniform(1.6, 2.6)
        pen.ellipse(rng.uniform(2, 62), rng.uniform(10, 50), r, r, (120, 195, 230), None)


def moon(pen: Pen, rng: random.Random) -> None:
    _fill(pen, -1, 65, (14, 14, 34))
    for _ in range(12):
        pen.dot(rng.uniform(0, 64), rng.uniform(0, 44), rng.uniform(0.7, 1.1), (235, 235, 215))
    x, y = rng.choice((rng.uniform(8, 14), rng.uniform(50, 56))), rng.uniform(9, 13)
    pen.ellipse(x, y, 6.5, 6.5, (60, 120, 220), WHITE)
    pen.ellipse(x - 1.5, y - 1, 3, 2.2, (80, 180, 100), None)
    pen.ellipse(32, 70, 54, 26, (165, 165, 172), (110, 110, 120))
    for x0, y0 in ((rng.uniform(4, 12), 57), (rng.uniform(50, 60), 55), (rng.uniform(24, 40), 61)):
        pen.ellipse(x0, y0, 4.2, 1.7, (130, 130, 140), (95, 95, 105))


def canyon(pen: Pen, rng: random.Random) -> None:
    _fill(pen, -1, 65, (250, 205, 160))
    for x, top, half in (
        (rng.uniform(2, 10), rng.uniform(12, 18), 16),
        (rng.uniform(54, 62), rng.uniform(8, 14), 18),
    ):
        for i, colour in enumerate(((196, 92, 60), (170, 70, 48), (206, 108, 70), (150, 58, 44))):
            y, step = top + i * 9, half + i * 2.5
            pen.polygon(
                [(x - step, y), (x + step, y), (x + step + 2.5, y + 9), (x - step - 2.5, y + 9)], colour
            )
    _fill(pen, 47, 65, (188, 98, 62))
    pen.line([(0, 47), (64, 47)], (120, 50, 40), 1)
    for _ in range(5):
        x, y = rng.uniform(2, 60), rng.uniform(51, 63)
        pen.line([(x, y), (x + 4, y)], (140, 66, 44), 0.9)


def kitchen(pen: Pen, rng: random.Random) -> None:
    _fill(pen, -1, 65, (246, 238, 220))
    for y in range(6, 46, 8):
        pen.line([(0, y), (64, y)], (205, 192, 165), 0.8)
    for x in range(4, 64, 8):
        pen.line([(x, 0), (x, 46)], (205, 192, 165), 0.8)
    x = rng.choice((4, 42))
    pen.box(x, 5, x + 18, 24, (150, 205, 240))
    pen.line([(x + 9, 5), (x + 9, 24)], WHITE, 1.6)
    pen.line([(x, 14.5), (x + 18, 14.5)], WHITE, 1.6)
    shelf = 26 if x > 30 else 64
    pen.box(shelf - 24, 18, shelf - 2, 20.5, (130, 85, 50))
    for dx in (-20, -13, -7):
        pen.box(
            shelf + dx - 2.2,
            12,
            shelf + dx + 2.2,
            18,
            rng.choice(((220, 90, 70), (80, 140, 160), (240, 190, 90))),
        )
    pen.box(-2, 45, 66, 51, (150, 100, 62))
    _fill(pen, 50, 65, (190, 140, 96))
    for x in (14, 46):
        pen.line([(x + 2, 51), (x + 2, 65)], (120, 80, 50), 1)


def garden(pen: Pen, rng: random.Random) -> None:
    _fill(pen, -1, 65, (180, 226, 250))
    for x in (rng.uniform(6, 20), rng.uniform(40, 58)):
        for dx, r in ((-5, 3.4), (0, 4.6), (5, 3.4)):
            pen.ellipse(x + dx, 10, r, r * 0.8, WHITE, None)
    _fill(pen, 40, 65, (120, 200, 90))
    for left in range(0, 64, 7):
        pen.polygon(
            [(left, 44), (left, 28), (left + 2.2, 25), (left + 4.4, 28), (left + 4.4, 44)],
            (252, 252, 248),
            (214, 216, 206),
            1,
        )
    pen.box(-1, 33, 65, 36, (238, 238, 230), None)
    for i in range(6):
        x, y = 6 + i * 10.5 + rng.uniform(-2, 2), rng.uniform(48, 61)
        colour = rng.choice(((240, 90, 120), (250, 200, 60), (200, 110, 220), (255, 255, 255)))
        pen.line([(x, y), (x, y + 4)], (80, 160, 66), 1.2)
        for px, py in circle_points(x, y, 1.8, 1.8, 0, 5.03, 5):
            pen.dot(px, py, 1.4, colour)
        pen.dot(x, y, 1.2, (250, 190, 40))


DRAWINGS: dict[str, Callable[[Pen, random.Random], None]] = {
    f.__name__: f for f in (snow, beach, forest, desert, city, ocean, moon, canyon, kitchen, garden)
}
