"""The marks that nearly every shop uses: cameras, framed pictures, files."""

import numpy as np

from model.standins.chance import Real, between, chance, pick, whole
from model.standins.surface import Pen, Point


def camera(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    """A camera seen from the front: body, hump and lens."""
    top, bottom, side = between(rng, 24, 32), between(rng, 74, 84), between(rng, 6, 14)
    hump, r = between(rng, 12, 20), between(rng, 13, 19)
    middle = (top + bottom) / 2 + between(rng, -1, 3)
    radius = pick(rng, (2.0, 6.0, 10.0))
    x = 50 + pick(rng, (0.0, 0.0, 0.0, -15.0, 15.0))
    bump: list[Point] = [
        (x - hump, top + 2),
        (x - hump * 0.65, top - 11),
        (x + hump * 0.65, top - 11),
        (x + hump, top + 2),
    ]
    if filled:
        pen.polygon(bump)
        pen.box(side, top, 100 - side, bottom, radius)
        pen.circle(50, middle, r, tone=0)
        pen.circle(50, middle, r * between(rng, 0.5, 0.72))
        if chance(rng, 0.5):
            pen.circle(100 - side - 9, top + 9, 3.2, tone=0)
        return
    pen.line(bump, w)
    pen.box(side, top, 100 - side, bottom, radius, width=w)
    pen.line(
        [(x - hump * 0.8 + w, top + w / 2), (x + hump * 0.8 - w, top + w / 2)], w * 1.1, tone=0
    )
    pen.circle(50, middle, r, width=w)
    if chance(rng, 0.4):
        pen.circle(50, middle, r * 0.5, width=w)
    if chance(rng, 0.5):
        pen.circle(100 - side - 10, top + 11, max(w * 0.7, 2))


def shaded_camera(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    """A camera with its parts in several tones, as drawings in grey show it."""
    del filled, w
    top, bottom = between(rng, 26, 34), between(rng, 76, 86)
    body, leather = whole(rng, 170, 255), whole(rng, 90, 230)
    x = 50 + pick(rng, (0.0, 0.0, 12.0, -12.0))
    pen.polygon(
        [(x - 18, top + 1), (x - 11, top - 13), (x + 11, top - 13), (x + 18, top + 1)], body
    )
    pen.box(14, top - 4, 28, top + 2, 2, tone=leather)
    pen.box(5, top, 95, bottom, pick(rng, (3.0, 8.0)), tone=body)
    pen.box(5, top + 12, 95, bottom - between(rng, 5, 10), tone=leather)
    y, r = (top + bottom) / 2 + 3, between(rng, 20, 27)
    for share in (1.0, 0.88, 0.7, 0.55, 0.3):
        pen.circle(x, y, r * share, tone=whole(rng, 60, 255))
    pen.circle(x - r * 0.25, y - r * 0.25, r * 0.14, tone=20)
    pen.box(76, top + 3, 89, top + 9, 1, tone=whole(rng, 0, 80))


def scene(
    pen: Pen, rng: np.random.Generator, box: tuple[Real, Real, Real, Real], tone: int
) -> None:
    """A sun and mountains inside a box."""
    x0, y0, x1, y1 = box
    wide, high = x1 - x0, y1 - y0
    a, b = between(rng, 0.25, 0.42), between(rng, 0.62, 0.8)
    ya, yb = between(rng, 0.32, 0.52), between(rng, 0.48, 0.66)
    if chance(rng, 0.5):
        a, b, ya, yb = a, b, yb, ya
    dip = (a + b) / 2
    ridge = [
        (0.0, 1.0),
        (0.02, 0.86),
        (a, ya),
        (dip, (ya + yb) / 2 + 0.18),
        (b, yb),
        (0.98, 0.9),
        (1.0, 1.0),
    ]
    pen.polygon([(x0 + wide * x, y0 + high * y) for x, y in ridge], tone)
    sun = pick(rng, ((0.26, 0.26), (0.74, 0.24), (0.3, 0.3)))
    pen.circle(
        x0 + wide * sun[0], y0 + high * sun[1], min(wide, high) * between(rng, 0.08, 0.13), tone
    )


def picture(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    """A framed picture with the sun and mountains."""
    ratio = pick(rng, (1.0, 0.8, 0.75, 0.66))
    x0, x1 = between(rng, 5, 12), 0.0
    x1 = 100 - x0
    y0 = 50 - (50 - x0) * ratio
    y1 = 100 - y0
    radius = pick(rng, (0.0, 3.0, 8.0, 14.0))
    if filled:
        pen.box(x0, y0, x1, y1, radius)
        m = between(rng, 5, 11)
        if chance(rng, 0.5):
            pen.box(x0 + m, y0 + m, x1 - m, y1 - m, radius / 2, tone=0)
            m += 5
            scene(pen, rng, (x0 + m, y0 + m, x1 - m, y1 - m), 255)
        else:
            scene(pen, rng, (x0 + m, y0 + m, x1 - m, y1 - m), 0)
        return
    pen.box(x0, y0, x1, y1, radius, width=w)
    m = w + pick(rng, (0.0, 4.0, 7.0))
    if chance(rng, 0.5):
        scene(pen, rng, (x0 + m, y0 + m, x1 - m, y1 - m), 255)
    else:
        high = y1 - y0
        ridge = [
            (x0 + w / 2, y1 - high * between(rng, 0.15, 0.3)),
            (35.0, y0 + high * between(rng, 0.45, 0.6)),
            (56.0, y1 - high * between(rng, 0.16, 0.3)),
            (72.0, y0 + high * 0.55),
            (x1 - w / 2, y1 - high * 0.25),
        ]
        pen.line(ridge, w)
        pen.circle(
            pick(rng, (30.0, 68.0)),
            y0 + high * 0.28,
            between(rng, 5, 8),
            width=w if chance(rng, 0.6) else 0,
        )


def file(pen: Pen, rng: np.random.Generator, filled: bool, w: Real) -> None:
    """A sheet with a folded corner: blank, with lines or with a picture."""
    fold = between(rng, 18, 28)
    x0, x1, y0, y1 = 20.0, 80.0, 6.0, 94.0
    outline: list[Point] = [(x0, y0), (x1 - fold, y0), (x1, y0 + fold), (x1, y1), (x0, y1)]
    pen.shape(outline, filled, w)
    corner: list[Point] = [(x1 - fold, y0), (x1 - fold, y0 + fold), (x1, y0 + fold)]
    pen.line(corner, w, tone=0 if filled else 255)
    inside = 0 if filled else 255
    style = whole(rng, 0, 2)
    if style == 0:
        for i in range(whole(rng, 2, 4)):
            pen.line([(32, 46 + 12 * i), (pick(rng, (68.0, 58.0)), 46 + 12 * i)], w, tone=inside)
    elif style == 1:
        scene(pen, rng, (29, 44, 71, 84), inside)
