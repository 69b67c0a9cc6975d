"""`Pen`: draws shapes in the units of whatever is being drawn, at three times the final size.

Shapes are outlined in a darker shade of their own colour: soft enough for a small autoencoder to keep.
"""

import math

from PIL import Image, ImageDraw

SIZE = 64
OVERSAMPLING = 3
INK = (45, 38, 52)

Point = tuple[float, float]
Colour = tuple[int, int, int]
SHADE: Colour = (-1, -1, -1)  # as an outline: a darker shade of the fill


def shade(colour: Colour) -> Colour:
    """The colour's own shadow."""
    r, g, b = colour
    return (r * 5 // 8, g * 5 // 8, b * 5 // 8)


class Pen:
    """A pen on ``image`` whose origin is (x, y) and whose unit is ``unit``, both in final pixels.

    A pen that is not ``shading`` leaves out every outline that is not asked for by its colour.
    """

    def __init__(
        self,
        image: Image.Image,
        x: float = 0,
        y: float = 0,
        unit: float = 1,
        mirrored: bool = False,
        shading: bool = True,
    ):
        self.draw = ImageDraw.Draw(image)
        self.x, self.y, self.unit = x, y, unit
        self.sign = -1 if mirrored else 1
        self.shading = shading

    def _outline(self, outline: Colour | None, fill: Colour) -> Colour | None:
        if outline == SHADE:
            return shade(fill) if self.shading else None
        return outline

    def at(self, point: Point) -> Point:
        """Where a point given in the pen's units lies on the enlarged canvas."""
        return (
            (self.x + self.sign * point[0] * self.unit) * OVERSAMPLING,
            (self.y + point[1] * self.unit) * OVERSAMPLING,
        )

    def width(self, pixels: float) -> int:
        return max(1, round(pixels * OVERSAMPLING))

    def polygon(
        self, points: list[Point], fill: Colour, outline: Colour | None = SHADE, line: float = 1.0
    ) -> None:
        corners, outline = [self.at(p) for p in points], self._outline(outline, fill)
        self.draw.polygon(corners, fill=fill)
        if outline:
            self.draw.line(
                [*corners, corners[0], corners[1]], fill=outline, width=self.width(line), joint="curve"
            )

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        fill: Colour,
        outline: Colour | None = SHADE,
        line: float = 1.0,
    ) -> None:
        outline = self._outline(outline, fill)
        cx, cy = self.at((x, y))
        rx, ry = rx * self.unit * OVERSAMPLING, ry * self.unit * OVERSAMPLING
        self.draw.ellipse(
            (cx - rx, cy - ry, cx + rx, cy + ry),
            fill=fill,
            outline=outline,
            width=self.width(line) if outline else 0,
        )

    def box(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        fill: Colour,
        outline: Colour | None = SHADE,
        radius: float = 0,
    ) -> None:
        outline = self._outline(outline, fill)
        (ax, ay), (bx, by) = self.at((x0, y0)), self.at((x1, y1))
        self.draw.rounded_rectangle(
            (min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)),
            radius=radius * self.unit * OVERSAMPLING,
            fill=fill,
            outline=outline,
            width=self.width(1) if outline else 0,
        )

    def line(self, points: list[Point], fill: Colour = INK, width: float = 1.0) -> None:
        self.draw.line([self.at(p) for p in points], fill=fill, width=self.width(width), joint="curve")

    def curve(self, start: Point, bend: Point, end: Point, fill: Colour, width: float) -> None:
        """A quadratic Bézier curve with round ends."""
        points: list[Point] = []
        for i in range(13):
            t = i / 12
            a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
            x, y = (a * p + b * q + c * r for p, q, r in zip(start, bend, end, strict=True))
            points.append((x, y))
        self.line(points, fill, width)
        radius = width / 2 / self.unit
        for x, y in (points[0], points[-1]):
            self.ellipse(x, y, radius, radius, fill, outline=None)

    def dot(self, x: float, y: float, pixels: float, fill: Colour = INK) -> None:
        radius = pixels / self.unit
        self.ellipse(x, y, radius, radius, fill, outline=None)


def circle_points(
    x: float, y: float, rx: float, ry: float, start: float, stop: float, n: int = 16
) -> list[Point]:
    """Points of an elliptic arc, angles in radians, clockwise on screen from the right."""
    return [
        (x + rx * math.cos(a), y + ry * math.sin(a))
        for a in (start + (stop - start) * i / (n - 1) for i in range(n))
    ]
