"""Putting ink on pictures: flat, graded, shadowed, embossed; and pens for drawing marks."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from model.standins.chance import Real, between, chance, log_between, pick, weighted
from model.standins.palette import Colour

Point = tuple[Real, Real]


def canvas_size(rng: np.random.Generator) -> tuple[int, int]:
    """Width and height as shops use them: 16 to 1000 pixels, half of them square."""
    long = round(
        weighted_size(
            rng,
            ((0.07, 16, 64), (0.25, 64, 160), (0.5, 160, 400), (0.14, 400, 640), (0.04, 640, 1000)),
        )
    )
    shape = weighted(
        rng, {"square": 0.5, "landscape": 0.2, "portrait": 0.2, "banner": 0.07, "tall": 0.03}
    )
    if shape == "square":
        return (long, long)
    ratio = {
        "landscape": pick(rng, (4 / 3, 3 / 2, 16 / 9, 5 / 4, 1.6, between(rng, 1.05, 1.9))),
        "portrait": pick(rng, (4 / 3, 3 / 2, 5 / 4, 1.41, between(rng, 1.05, 1.8))),
        "banner": between(rng, 2.0, 4.5),
        "tall": between(rng, 2.0, 3.0),
    }[shape]
    short = max(16, round(long / ratio))
    return (long, short) if shape in ("landscape", "banner") else (short, long)


def weighted_size(rng: np.random.Generator, table: Sequence[tuple[Real, Real, Real]]) -> float:
    """A size from weighted ranges (weight, low, high), uniform in the logarithm within one."""
    mark = float(rng.random()) * sum(row[0] for row in table)
    for weight, low, high in table:
        mark -= weight
        if mark < 0:
            return log_between(rng, low, high)
    return table[-1][1]


def place(rng: np.random.Generator, picture: Image.Image, mask: Image.Image) -> tuple[int, int]:
    """Upper left corner for a mask: nearly always the middle, sometimes a little off."""
    x = (picture.width - mask.width) / 2
    y = (picture.height - mask.height) / 2
    if chance(rng, 0.12):
        y += between(rng, -0.5, 0.5) * max(0.0, picture.height - mask.height)
        if chance(rng, 0.4):
            x += between(rng, -0.5, 0.5) * max(0.0, picture.width - mask.width)
    return (round(x), round(y))


def ramp(
    size: tuple[int, int],
    angle: Real,
    radial: bool = False,
    centre: Point = (0.0, 0.0),
    bend: Real = 1.0,
) -> Image.Image:
    """An "L" ramp from 0 to 255 along ``angle`` (degrees), or from a centre outwards.

    Args:
        size: width and height.
        angle: direction in degrees; of no meaning if ``radial``.
        radial: whether it goes outwards from ``centre``.
        centre: from the middle, in shares of width and height.
        bend: power that the ramp is raised to; 1 is even.
    """
    side = 64
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / (side - 1) - 0.5
    if radial:
        values = np.hypot(x - centre[0], y - centre[1]) / 0.7072
    else:
        turn = np.radians(angle)
        along = x * np.cos(turn) + y * np.sin(turn)
        values = (along - along.min()) / max(float(np.ptp(along)), 1e-6)
    small = Image.fromarray((np.clip(values, 0, 1) ** bend * 255).astype(np.uint8))
    return small.resize(size, Image.Resampling.BILINEAR)


def blend(a: Colour, b: Colour, by: Image.Image) -> Image.Image:
    """Colour a where ``by`` is 0, b where it is 255."""
    return Image.composite(Image.new("RGB", by.size, b), Image.new("RGB", by.size, a), by)


def ink(
    picture: Image.Image,
    mask: Image.Image,
    at: tuple[int, int],
    colour: Colour,
    opacity: Real = 1.0,
) -> None:
    """Paint a mask in one colour."""
    if opacity < 1.0:
        mask = mask.point([round(v * opacity) for v in range(256)])
    picture.paste(colour, (at[0], at[1], at[0] + mask.width, at[1] + mask.height), mask)


class Pen:
    """Draws in a unit square (0 to 100 both ways) on an oversampled "L" mask."""

    def __init__(self, side: int) -> None:
        self.side = max(8, side)
        self._over = 4 if self.side < 120 else 2
        self._scale = self.side * self._over / 100.0
        self._mask = Image.new("L", (self.side * self._over, self.side * self._over))
        self._draw = ImageDraw.Draw(self._mask)

    def _xy(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._scale, y * self._scale) for x, y in points]

    def line(
        self, points: Sequence[Point], width: Real, tone: int = 255, closed: bool = False
    ) -> None:
        """A polyline with round ends and joints."""
        path = self._xy([*points, points[0]] if closed else points)
        w = max(1, round(width * self._scale))
        self._draw.line(path, fill=tone, width=w, joint="curve")
        r = w / 2
        if r >= 1:
            for x, y in (path[0], path[-1]):
                self._draw.ellipse((x - r, y - r, x + r, y + r), fill=tone)

    def polygon(self, points: Sequence[Point], tone: int = 255) -> None:
        """A filled polygon."""
        self._draw.polygon(self._xy(points), fill=tone)

    def shape(self, points: Sequence[Point], filled: bool, width: Real) -> None:
        """A polygon, filled or outlined."""
        if filled:
            self.polygon(points)
        self.line(points, width, closed=True)

    def circle(self, x: Real, y: Real, r: Real, tone: int = 255, width: Real = 0.0) -> None:
        """A disc, or a ring of this width (inside the radius)."""
        s = self._scale
        box = ((x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s)
        if width:
            self._draw.ellipse(box, outline=tone, width=max(1, round(width * s)))
        else:
            self._draw.ellipse(box, fill=tone)

    def box(
        self,
        x0: Real,
        y0: Real,
        x1: Real,
        y1: Real,
        radius: Real = 0.0,
        tone: int = 255,
        width: Real = 0.0,
    ) -> None:
        """A rectangle with rounded corners, filled, or as a frame of this width."""
        s = self._scale
        xy = (x0 * s, y0 * s, x1 * s, y1 * s)
        if width:
            self._draw.rounded_rectangle(
                xy, radius * s, outline=tone, width=max(1, round(width * s))
            )
        else:
            self._draw.rounded_rectangle(xy, radius * s, fill=tone)

    def arc(
        self, x: Real, y: Real, r: Real, start: Real, end: Real, width: Real, tone: int = 255
    ) -> None:
        """An arc, degrees clockwise from three o'clock."""
        s = self._scale
        box = ((x - r) * s, (y - r) * s, (x + r) * s, (y + r) * s)
        self._draw.arc(box, start, end, fill=tone, width=max(1, round(width * s)))

    def mask(self) -> Image.Image:
        """The finished mask, (side, side)."""
        return self._mask.reduce(self._over)


def smooth(points: Sequence[Point], steps: int = 6) -> list[Point]:
    """A closed Catmull-Rom curve through the points, as a polygon."""
    n = len(points)
    out: list[Point] = []
    for i in range(n):
        p0, p1, p2, p3 = (points[(i + k - 1) % n] for k in range(4))
        for j in range(steps):
            t = j / steps
            a, b, c = -t + 2 * t * t - t**3, 2 - 5 * t * t + 3 * t**3, t + 4 * t * t - 3 * t**3
            d = -t * t + t**3
            out.append(
                (
                    (a * p0[0] + b * p1[0] + c * p2[0] + d * p3[0]) / 2,
                    (a * p0[1] + b * p1[1] + c * p2[1] + d * p3[1]) / 2,
                )
            )
    return out


def outline(mask: Image.Image, width: int) -> Image.Image:
    """The rim of a mask's ink, about ``width`` pixels inwards."""
    # A pixel is deep inside if the mean about it is full: far quicker than a minimum filter.
    deep = mask.filter(ImageFilter.BoxBlur(max(1, width))).point([0] * 235 + [255] * 21)
    return ImageChops.subtract(mask, deep)


def jitter(rng: np.random.Generator, value: Real, share: Real = 0.12) -> float:
    """``value`` give or take a share of it."""
    return value * (1 + between(rng, -share, share))


__all__ = [
    "Pen",
    "Point",
    "blend",
    "canvas_size",
    "ink",
    "jitter",
    "outline",
    "place",
    "ramp",
    "smooth",
    "weighted_size",
]
