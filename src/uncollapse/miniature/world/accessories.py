"""The six accessories, drawn where a subject's `Grips` say."""

from collections.abc import Callable

from .pen import INK, Pen, circle_points
from .subjects import Grips

BLACK, RED, GOLD = (35, 30, 40), (220, 45, 60), (255, 200, 40)


def hat(pen: Pen, grips: Grips) -> None:
    x, y = grips.head
    pen.box(x - 0.3, y - 0.52, x + 0.3, y + 0.04, BLACK)
    pen.box(x - 0.3, y - 0.16, x + 0.3, y - 0.02, RED, None)
    pen.box(x - 0.54, y - 0.03, x + 0.54, y + 0.12, BLACK, radius=0.05)


def crown(pen: Pen, grips: Grips) -> None:
    x, y = grips.head
    points = [
        (-0.42, 0.1),
        (-0.48, -0.42),
        (-0.22, -0.14),
        (0, -0.52),
        (0.22, -0.14),
        (0.48, -0.42),
        (0.42, 0.1),
    ]
    pen.polygon([(x + a, y + b) for a, b in points], GOLD)
    for a in (-0.2, 0.0, 0.2):
        pen.dot(x + a, y - 0.02, 0.9, RED)


def sunglasses(pen: Pen, grips: Grips) -> None:
    x, y = grips.eyes
    gap = max(grips.eye_gap, 0.2) + 0.04
    pen.line([(x - gap - 0.3, y - 0.06), (x + gap + 0.3, y - 0.06)], BLACK, 1.6)
    for side in (-gap, gap):
        pen.ellipse(x + side, y + 0.03, 0.24, 0.18, BLACK)
        pen.dot(x + side - 0.07, y - 0.02, 0.7, (150, 160, 190))


def balloon(pen: Pen, grips: Grips) -> None:
    x, y = grips.hand
    pen.line([(x, y), (x + 0.42, -0.5)], INK, 1.1)
    pen.ellipse(x + 0.46, -0.98, 0.36, 0.44, RED)
    pen.dot(x + 0.36, -1.14, 1.2, (255, 170, 170))


def umbrella(pen: Pen, grips: Grips) -> None:
    x, y = grips.hand
    top = min(grips.head[1] - 0.22, -0.75)
    pen.line([(x, y + 0.1), (x, top - 0.2)], INK, 1.5)
    middle = x - 0.35
    pen.polygon([(middle - 0.95, top), *circle_points(middle, top, 0.95, 0.55, 3.14, 6.28)], (70, 190, 220))
    for left, colour in ((-0.95, RED), (-0.19, GOLD), (0.57, (90, 190, 90))):
        pen.polygon([(middle + left, top), (middle, top - 0.54), (middle + left + 0.38, top)], colour, None)


def flag(pen: Pen, grips: Grips) -> None:
    x, y = grips.hand
    pen.line([(x, y + 0.25), (x + 0.12, -1.2)], (120, 80, 40), 1.6)
    pen.polygon([(x + 0.12, -1.2), (x + 0.88, -1.05), (x + 0.84, -0.55), (x + 0.08, -0.66)], (250, 250, 250))
    pen.polygon(
        [(x + 0.12, -1.02), (x + 0.87, -0.88), (x + 0.85, -0.72), (x + 0.1, -0.84)], (40, 80, 200), None
    )


DRAWINGS: dict[str, Callable[[Pen, Grips], None]] = {
    f.__name__: f for f in (hat, crown, sunglasses, balloon, umbrella, flag)
}
