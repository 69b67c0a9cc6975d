"""The twelve subjects. Each is drawn standing on y = 1 and about two units tall, in one body colour.

A drawing returns its `Grips`: where a hat sits, where glasses go, where a hand holds things.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .pen import INK, Colour, Pen, Point, circle_points, shade

WHITE = (255, 255, 255)
DARK = (70, 64, 80)
GLASS = (190, 226, 245)


@dataclass(frozen=True)
class Grips:
    """Where accessories attach: top of the head, middle of the eyes, half the distance of the eyes, hand."""

    head: Point
    eyes: Point
    eye_gap: float
    hand: Point


def _eyes(pen: Pen, x: float, y: float, gap: float, size: float = 1.3) -> None:
    for side in (-gap, gap):
        pen.dot(x + side, y, size + 0.5, WHITE)
        pen.dot(x + side, y + 0.02, size)


def _seated(pen: Pen, c: Colour, width: float = 0.52) -> None:
    pen.ellipse(0, 0.5, width, 0.52, c)
    for side in (-0.28, 0.28):
        pen.ellipse(side, 0.92, 0.2, 0.12, c)


def cat(pen: Pen, c: Colour) -> Grips:
    pen.curve((0.4, 0.75), (1.05, 0.8), (0.85, 0.1), shade(c), 4.4)
    pen.curve((0.4, 0.75), (1.05, 0.8), (0.85, 0.1), c, 2.6)
    _seated(pen, c)
    for s in (-1, 1):
        pen.polygon([(s * 0.5, -0.95), (s * 0.52, -0.3), (s * 0.08, -0.62)], c)
    pen.ellipse(0, -0.28, 0.54, 0.44, c)
    _eyes(pen, 0, -0.32, 0.22)
    pen.polygon([(-0.07, -0.16), (0.07, -0.16), (0, -0.07)], (255, 140, 150), None)
    return Grips((0, -0.66), (0, -0.32), 0.22, (0.5, 0.35))


def dog(pen: Pen, c: Colour) -> Grips:
    pen.curve((-0.4, 0.7), (-0.85, 0.6), (-0.9, 0.15), shade(c), 4.4)
    pen.curve((-0.4, 0.7), (-0.85, 0.6), (-0.9, 0.15), c, 2.6)
    _seated(pen, c)
    pen.ellipse(0, -0.3, 0.46, 0.46, c)
    for s in (-1, 1):
        pen.ellipse(s * 0.5, -0.2, 0.17, 0.4, DARK)
    pen.ellipse(0, -0.1, 0.27, 0.2, (250, 235, 215))
    pen.ellipse(0, -0.2, 0.1, 0.08, INK)
    _eyes(pen, 0, -0.42, 0.2)
    pen.polygon([(-0.07, 0.06), (0.07, 0.06), (0, 0.2)], (240, 90, 110), None)
    return Grips((0, -0.7), (0, -0.42), 0.2, (0.5, 0.35))


def rabbit(pen: Pen, c: Colour) -> Grips:
    pen.ellipse(-0.52, 0.72, 0.17, 0.17, WHITE)
    _seated(pen, c, 0.46)
    for s in (-1, 1):
        pen.ellipse(s * 0.22, -0.82, 0.14, 0.46, c)
        pen.ellipse(s * 0.22, -0.8, 0.06, 0.32, (255, 190, 205), None)
    pen.ellipse(0, -0.22, 0.42, 0.38, c)
    _eyes(pen, 0, -0.28, 0.19)
    pen.dot(0, -0.12, 1.1, (240, 110, 140))
    pen.box(-0.07, -0.02, 0.07, 0.12, WHITE)
    return Grips((0, -0.56), (0, -0.28), 0.19, (0.46, 0.35))


def bear(pen: Pen, c: Colour) -> Grips:
    for s in (-1, 1):
        pen.ellipse(s * 0.62, 0.35, 0.2, 0.34, c)
    pen.ellipse(0, 0.48, 0.64, 0.54, c)
    pen.ellipse(0, 0.55, 0.36, 0.36, (250, 232, 205))
    for s in (-1, 1):
        pen.ellipse(s * 0.4, -0.68, 0.2, 0.2, c)
        pen.ellipse(s * 0.4, -0.68, 0.09, 0.09, DARK, None)
    pen.ellipse(0, -0.32, 0.52, 0.46, c)
    pen.ellipse(0, -0.16, 0.22, 0.18, (250, 232, 205))
    pen.ellipse(0, -0.22, 0.09, 0.07, INK)
    _eyes(pen, 0, -0.42, 0.24, 1.2)
    return Grips((0, -0.72), (0, -0.42), 0.24, (0.68, 0.3))


def bird(pen: Pen, c: Colour) -> Grips:
    for x in (-0.1, 0.15):
        pen.line([(x, 0.6), (x, 0.98)], (220, 130, 30), 1.4)
    pen.polygon([(-0.5, 0.2), (-1.0, 0.0), (-0.95, 0.42)], c)
    pen.ellipse(0, 0.2, 0.66, 0.5, c)
    pen.ellipse(0.36, -0.42, 0.4, 0.38, c)
    pen.polygon([(0.7, -0.52), (1.1, -0.36), (0.7, -0.24)], (255, 165, 0))
    pen.polygon(circle_points(-0.15, 0.1, 0.42, 0.36, 0, 3.14), DARK)
    pen.dot(0.46, -0.48, 2.0, WHITE)
    pen.dot(0.48, -0.48, 1.4)
    return Grips((0.36, -0.78), (0.46, -0.48), 0.16, (0.5, 0.35))


def fish(pen: Pen, c: Colour) -> Grips:
    pen.polygon([(-0.5, 0.1), (-1.05, -0.35), (-0.9, 0.12), (-1.05, 0.6)], c)
    pen.polygon([(-0.25, -0.3), (0.0, -0.75), (0.35, -0.32)], c)
    pen.ellipse(0.1, 0.1, 0.75, 0.5, c)
    pen.polygon([(-0.1, 0.2), (-0.35, 0.55), (0.15, 0.4)], DARK)
    pen.line(circle_points(0.32, 0.1, 0.16, 0.38, -1.3, 1.3), shade(c), 1.2)
    pen.dot(0.56, -0.04, 2.2, WHITE)
    pen.dot(0.59, -0.04, 1.4)
    return Grips((0.35, -0.36), (0.56, -0.04), 0.16, (0.5, 0.35))


def turtle(pen: Pen, c: Colour) -> Grips:
    skin = (150, 190, 110)
    for x in (-0.5, 0.4):
        pen.box(x - 0.14, 0.5, x + 0.16, 0.98, skin, radius=0.1)
    pen.polygon([(-0.7, 0.55), (-1.0, 0.7), (-0.65, 0.75)], skin)
    pen.ellipse(0.78, 0.05, 0.3, 0.26, skin)
    pen.polygon([(-0.8, 0.66), *circle_points(-0.08, 0.6, 0.74, 0.95, 3.14, 6.28), (0.66, 0.66)], c)
    pen.line([(-0.8, 0.6), (0.66, 0.6)], shade(c), 1.4)
    pen.line([(-0.3, 0.58), (-0.2, 0.1), (-0.36, -0.26)], shade(c), 1.0)
    pen.line([(0.2, 0.58), (0.1, 0.1), (0.24, -0.26)], shade(c), 1.0)
    pen.dot(0.86, 0.0, 1.2)
    return Grips((0.78, -0.18), (0.84, 0.0), 0.13, (0.6, 0.4))


def elephant(pen: Pen, c: Colour) -> Grips:
    pen.ellipse(0, 0.45, 0.6, 0.46, c)
    for x in (-0.34, 0.34):
        pen.box(x - 0.18, 0.5, x + 0.18, 1.0, c, radius=0.06)
    for s in (-1, 1):
        pen.ellipse(s * 0.66, -0.3, 0.36, 0.46, c)
        pen.ellipse(s * 0.68, -0.3, 0.2, 0.3, (255, 200, 210), None)
    pen.ellipse(0, -0.3, 0.46, 0.48, c)
    pen.curve((0, -0.1), (0.05, 0.45), (0.3, 0.62), shade(c), 5.4)
    pen.curve((0, -0.1), (0.05, 0.45), (0.3, 0.62), c, 3.6)
    _eyes(pen, 0, -0.4, 0.22, 1.1)
    return Grips((0, -0.74), (0, -0.4), 0.22, (0.62, 0.35))


def car(pen: Pen, c: Colour) -> Grips:
    pen.polygon([(-0.62, 0.2), (-0.42, -0.32), (0.35, -0.32), (0.65, 0.2)], c)
    pen.polygon([(-0.46, 0.15), (-0.33, -0.18), (-0.03, -0.18), (-0.03, 0.15)], GLASS)
    pen.polygon([(0.08, 0.15), (0.08, -0.18), (0.3, -0.18), (0.48, 0.15)], GLASS)
    pen.box(-1.05, 0.15, 1.05, 0.72, c, radius=0.16)
    pen.ellipse(0.95, 0.36, 0.1, 0.1, (255, 240, 150))
    for x in (-0.58, 0.58):
        pen.ellipse(x, 0.74, 0.27, 0.27, (60, 60, 66))
        pen.ellipse(x, 0.74, 0.11, 0.11, (220, 220, 225))
    return Grips((-0.02, -0.34), (0.02, 0.0), 0.24, (0.75, 0.2))


def boat(pen: Pen, c: Colour) -> Grips:
    pen.line([(0, 0.4), (0, -0.95)], (110, 72, 40), 1.8)
    pen.polygon([(0.08, -0.9), (0.08, 0.22), (0.8, 0.22)], (252, 250, 240))
    pen.polygon([(-0.08, -0.65), (-0.08, 0.22), (-0.6, 0.22)], (252, 250, 240))
    pen.polygon([(-1.0, 0.34), (1.0, 0.34), (0.66, 0.95), (-0.66, 0.95)], c)
    pen.line([(-0.92, 0.5), (0.92, 0.5)], WHITE, 1.2)
    return Grips((0, -0.92), (0.02, 0.1), 0.24, (0.8, 0.3))


def robot(pen: Pen, c: Colour) -> Grips:
    for s in (-1, 1):
        pen.box(s * 0.78 - 0.12, 0.02, s * 0.78 + 0.12, 0.6, (170, 175, 185), radius=0.08)
        pen.box(s * 0.26 - 0.14, 0.7, s * 0.26 + 0.14, 1.0, (170, 175, 185), radius=0.04)
    pen.box(-0.58, -0.04, 0.58, 0.78, c, radius=0.06)
    pen.box(-0.3, 0.16, 0.3, 0.5, (230, 235, 240))
    pen.dot(-0.12, 0.33, 1.4, (230, 60, 60))
    pen.dot(0.14, 0.33, 1.4, (60, 160, 80))
    pen.line([(0, -0.7), (0, -0.98)], INK, 1.2)
    pen.dot(0, -0.98, 1.6, (230, 60, 60))
    pen.box(-0.5, -0.74, 0.5, -0.1, c, radius=0.08)
    pen.box(-0.36, -0.56, 0.36, -0.3, (235, 240, 245))
    for x in (-0.18, 0.18):
        pen.dot(x, -0.43, 1.5)
    return Grips((0, -0.74), (0, -0.43), 0.2, (0.78, 0.3))


def teapot(pen: Pen, c: Colour) -> Grips:
    pen.line(circle_points(-0.66, 0.3, 0.36, 0.36, 1.3, 5.0), shade(c), 3.6)
    pen.line(circle_points(-0.66, 0.3, 0.36, 0.36, 1.4, 4.9), c, 1.8)
    pen.polygon([(0.5, 0.5), (0.92, -0.16), (1.12, -0.1), (0.66, 0.78)], c)
    pen.ellipse(0, 0.36, 0.68, 0.6, c)
    pen.polygon(circle_points(0, -0.16, 0.42, 0.24, 3.14, 6.28), c)
    pen.ellipse(0, -0.46, 0.11, 0.11, c)
    pen.line([(-0.42, -0.14), (0.42, -0.14)], shade(c), 1.3)
    return Grips((0, -0.48), (0.05, 0.16), 0.24, (0.66, 0.3))


DRAWINGS: dict[str, Callable[[Pen, Colour], Grips]] = {
    f.__name__: f for f in (cat, dog, rabbit, bear, bird, fish, turtle, elephant, car, boat, robot, teapot)
}
