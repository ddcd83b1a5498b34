"""Loading animations caught in one frame: rings, dots, spokes, bars, gears, hourglasses."""

import numpy as np
from PIL import Image

from model.standins.chance import between, chance, pick, weighted, whole
from model.standins.grounds import Sheet, draw_ground
from model.standins.palette import mix
from model.standins.resources import Resources
from model.standins.surface import Pen, ink, place
from model.standins.texts import Words, write

SPINNER_FAMILIES = {
    "ring": 0.24,
    "dots": 0.2,
    "spokes": 0.2,
    "bars": 0.1,
    "arrows": 0.1,
    "gear": 0.05,
    "hourglass": 0.05,
    "progress": 0.06,
}
_LOADING = (
    "Loading...",
    "Loading",
    "Please wait",
    "Please wait...",
    "LOADING",
    "Processing",
    "50%",
    "99%",
    "0%",
)


def _tail(i: int, n: int) -> int:
    """Tone of the i-th of n parts: bright at the head, fading along the tail."""
    return round(255 * (0.12 + 0.88 * float(((i + 1) / n) ** 1.2)))


def _ring(pen: Pen, rng: np.random.Generator) -> None:
    w, start = between(rng, 3, 16), between(rng, 0, 360)
    style = weighted(rng, {"track": 0.4, "arc": 0.3, "fade": 0.2, "double": 0.1})
    span = between(rng, 50, 320)
    if style == "track":
        pen.circle(50, 50, 47, tone=whole(rng, 40, 110), width=w)
        pen.arc(50, 50, 47, start, start + min(span, 150), w)
    elif style == "arc":
        pen.arc(50, 50, 47, start, start + span, w)
        if chance(rng, 0.6):
            for a in (np.radians(start), np.radians(start + span)):
                pen.circle(
                    50 + (47 - w / 2) * float(np.cos(a)),
                    50 + (47 - w / 2) * float(np.sin(a)),
                    w / 2,
                )
    elif style == "fade":
        for i in range(48):
            pen.arc(50, 50, 47, start + i * 7, start + i * 7 + 8, w, tone=_tail(i, 48))
    else:
        pen.arc(50, 50, 47, start, start + span, w * 0.7)
        pen.arc(50, 50, 47 - w, start + 180, start + 180 + span, w * 0.7)


def _dots(pen: Pen, rng: np.random.Generator) -> None:
    n = whole(rng, 5, 14)
    if chance(rng, 0.25):  # three dots in a row
        n = whole(rng, 3, 5)
        for i in range(n):
            x = 50 + (i - (n - 1) / 2) * 84 / n
            pen.circle(
                x,
                50 + between(rng, -8, 8) * (n == 3),
                84 / n * between(rng, 0.2, 0.42),
                tone=_tail(whole(rng, 0, n - 1), n),
            )
        return
    start, big = between(rng, 0, 2 * np.pi), between(rng, 5, 10)
    grow, fade = chance(rng, 0.5), chance(rng, 0.7)
    for i in range(n):
        a = start + 2 * np.pi * i / n
        r = big * ((i + 1) / n if grow else 0.9)
        pen.circle(
            50 + 39 * float(np.cos(a)),
            50 + 39 * float(np.sin(a)),
            max(r, 1.0),
            tone=_tail(i, n) if fade or not grow else 255,
        )


def _spokes(pen: Pen, rng: np.random.Generator) -> None:
    n = pick(rng, (8, 10, 12, 12, 12, 16, 24))
    start, w, inner = (
        between(rng, 0, 2 * np.pi),
        between(rng, 3, 10) * 12 / max(n, 9),
        between(rng, 18, 30),
    )
    flat = chance(rng, 0.2)
    for i in range(n):
        a = start + 2 * np.pi * i / n
        c, s = float(np.cos(a)), float(np.sin(a))
        pen.line(
            [(50 + inner * c, 50 + inner * s), (50 + 44 * c, 50 + 44 * s)],
            w,
            tone=255 if flat else _tail(i, n),
        )


def _bars(pen: Pen, rng: np.random.Generator) -> None:
    n = whole(rng, 3, 7)
    step = 90 / n
    phase = between(rng, 0, 6.3)
    if chance(rng, 0.3):  # squares in a grid
        m = whole(rng, 2, 3)
        cell = 84 / m
        for i in range(m * m):
            x, y = 8 + i % m * cell, 8 + i // m * cell
            pen.box(
                x,
                y,
                x + cell * 0.85,
                y + cell * 0.85,
                between(rng, 0, 6),
                tone=_tail(whole(rng, 0, 5), 6),
            )
        return
    for i in range(n):
        half = 12 + 30 * (0.5 + 0.5 * float(np.sin(phase + i)))
        pen.box(
            5 + i * step,
            50 - half,
            5 + i * step + step * 0.6,
            50 + half,
            between(rng, 0, step * 0.3),
            tone=_tail(whole(rng, n // 2, n), n + 1),
        )


def _arrows(pen: Pen, rng: np.random.Generator) -> None:
    n, w, start = whole(rng, 1, 3), between(rng, 4, 11), between(rng, 0, 360)
    span = 360 / n - between(rng, 30, 60)
    for i in range(n):
        a0 = start + i * 360 / n
        pen.arc(50, 50, 42, a0, a0 + span, w)
        a = np.radians(a0 + span)
        r = 42 - w / 2
        tip = np.radians(a0 + span + 26)
        c, s = float(np.cos(a)), float(np.sin(a))
        pen.polygon(
            [
                (50 + (r + w * 1.4) * c, 50 + (r + w * 1.4) * s),
                (50 + r * float(np.cos(tip)), 50 + r * float(np.sin(tip))),
                (50 + (r - w * 1.4) * c, 50 + (r - w * 1.4) * s),
            ]
        )


def _gear(pen: Pen, rng: np.random.Generator) -> None:
    n, turn = whole(rng, 6, 12), between(rng, 0, 1)
    for i in range(n):
        a = 2 * np.pi * (i + turn) / n
        pen.line([(50, 50), (50 + 43 * float(np.cos(a)), 50 + 43 * float(np.sin(a)))], 170 / n)
    pen.circle(50, 50, between(rng, 33, 37))
    pen.circle(50, 50, between(rng, 12, 20), tone=0)


def _hourglass(pen: Pen, rng: np.random.Generator) -> None:
    w = between(rng, 3, 7)
    pen.line([(22, 8), (78, 8)], w * 1.3)
    pen.line([(22, 92), (78, 92)], w * 1.3)
    pen.line([(28, 8), (28, 24), (50, 50), (28, 76), (28, 92)], w)
    pen.line([(72, 8), (72, 24), (50, 50), (72, 76), (72, 92)], w)
    level = between(rng, 20, 40)
    pen.polygon([(34, level), (66, level), (50, 48)])
    pen.polygon([(32, 90), (68, 90), (50, between(rng, 62, 84))])


def _progress(pen: Pen, rng: np.random.Generator) -> None:
    high, done = between(rng, 5, 14), between(rng, 10, 80)
    if chance(rng, 0.4):  # a barber's pole
        pen.box(3, 50 - high, 97, 50 + high, high, tone=110)
        for i in range(0, 94, 16):
            pen.polygon(
                [
                    (6 + i, 50 + high - 1),
                    (12 + i, 50 - high + 1),
                    (20 + i, 50 - high + 1),
                    (14 + i, 50 + high - 1),
                ]
            )
        return
    pen.box(
        3,
        50 - high,
        97,
        50 + high,
        high * between(rng, 0, 1),
        tone=80 if chance(rng, 0.6) else 255,
        width=0 if chance(rng, 0.6) else 2,
    )
    pen.box(3, 50 - high, 3 + done, 50 + high, high * between(rng, 0, 1))


_DRAWINGS = {
    "ring": _ring,
    "dots": _dots,
    "spokes": _spokes,
    "bars": _bars,
    "arrows": _arrows,
    "gear": _gear,
    "hourglass": _hourglass,
    "progress": _progress,
}


def draw_spinner(rng: np.random.Generator, resources: Resources) -> tuple[Image.Image, str, Words]:
    """A loading sign: picture, family and the words under it, if any."""
    family = weighted(rng, SPINNER_FAMILIES)
    sheet: Sheet = draw_ground(rng, resources)
    w, h = sheet.picture.size
    share = (
        between(rng, 0.5, 0.98) if min(w, h) < 80 or chance(rng, 0.45) else between(rng, 0.1, 0.45)
    )
    side = max(14, round(min(w, h) * share * sheet.room))
    pen = Pen(side)
    _DRAWINGS[family](pen, rng)
    colour = sheet.ink(rng, 26)  # its tail fades to an eighth of that
    mask = pen.mask()
    at = place(rng, sheet.picture, mask)
    ink(sheet.picture, mask, at, colour)
    words = Words("", "")
    if share < 0.4 and min(w, h) > 70 and chance(rng, 0.3):
        words = Words(pick(rng, _LOADING), "en")
        write(
            rng,
            sheet,
            resources,
            words,
            (0.5, 0.1),
            (0.5, min(0.92, (at[1] + side) / h + 0.1)),
            mix(colour, sheet.colour, 0.2),
            tilt=False,
        )
    return sheet.picture, f"spinner/{family}", words
