"""Abstract figures for logos and clip-art: petals, stars, bands, overlapping shapes, letters."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from model.standins.chance import between, chance, pick, whole
from model.standins.surface import Pen, Point, smooth


def _star(pen: Pen, rng: np.random.Generator) -> None:
    n, inner = whole(rng, 4, 16), between(rng, 0.35, 0.85)
    turn = between(rng, 0, np.pi)
    points: list[Point] = []
    for i in range(2 * n):
        r = 46 * (inner if i % 2 else 1.0)
        points.append(
            (50 + r * np.cos(turn + np.pi * i / n), 50 + r * np.sin(turn + np.pi * i / n))
        )
    pen.polygon(smooth(points, 4) if chance(rng, 0.3) else points)
    if chance(rng, 0.5):
        pen.circle(50, 50, 46 * inner * between(rng, 0.3, 0.8), tone=0)


def _petals(pen: Pen, rng: np.random.Generator) -> None:
    n, fat = whole(rng, 3, 9), between(rng, 8, 20)
    turn = between(rng, 0, np.pi)
    tones = pick(rng, ((255,), (255, 150), (255, 190, 120)))
    for i in range(n):
        a = turn + 2 * np.pi * i / n
        c, s = float(np.cos(a)), float(np.sin(a))
        pen.polygon(
            smooth(
                [
                    (50, 50),
                    (50 + 24 * c - fat * s, 50 + 24 * s + fat * c),
                    (50 + 46 * c, 50 + 46 * s),
                    (50 + 24 * c + fat * s, 50 + 24 * s - fat * c),
                ],
                5,
            ),
            tone=tones[i % len(tones)],
        )


def _polygon_ring(pen: Pen, rng: np.random.Generator) -> None:
    n, turn = whole(rng, 3, 8), between(rng, 0, np.pi)
    angles = [turn + 2 * np.pi * i / n for i in range(n)]
    for r, tone in (
        (46.0, 255),
        (between(rng, 26, 38), 0),
        (between(rng, 8, 22), pick(rng, (255, 0, 150))),
    ):
        pen.polygon([(50 + r * float(np.cos(a)), 50 + r * float(np.sin(a))) for a in angles], tone)
    if chance(rng, 0.5):
        a = pick(rng, angles)
        pen.line(
            [(50, 50), (50 + 50 * float(np.cos(a)), 50 + 50 * float(np.sin(a)))],
            between(rng, 4, 14),
            tone=0,
        )


def _bands(pen: Pen, rng: np.random.Generator) -> None:
    n = whole(rng, 2, 5)
    lean = between(rng, -30, 30)
    for i in range(n):
        y = 10 + 80 * i / n
        high = 80 / n * between(rng, 0.5, 0.8)
        x0, x1 = 8 + between(rng, 0, 20), 92 - between(rng, 0, 20)
        k = lean * high / 80
        pen.polygon(
            [(x0 + k, y), (x1 + k, y), (x1 - k, y + high), (x0 - k, y + high)],
            tone=pick(rng, (255, 255, 160)),
        )


def _discs(pen: Pen, rng: np.random.Generator) -> None:
    n = whole(rng, 2, 5)
    for i in range(n):
        a = 2 * np.pi * i / n + between(rng, -0.2, 0.2)
        r = between(rng, 14, 28)
        x, y = 50 + 20 * float(np.cos(a)), 50 + 20 * float(np.sin(a))
        if chance(rng, 0.6):
            pen.circle(x, y, r, tone=pick(rng, (255, 200, 130)))
        else:
            pen.circle(x, y, r, width=between(rng, 3, 9))


def _swirl(pen: Pen, rng: np.random.Generator) -> None:
    turns, start = between(rng, 0.8, 2.4), between(rng, 0, 2 * np.pi)
    w = between(rng, 4, 13)
    t = np.linspace(0.15, 1, 50)
    a = start + turns * 2 * np.pi * t
    pen.line(
        [
            (float(50 + (46 - w / 2) * k * np.cos(b)), float(50 + (46 - w / 2) * k * np.sin(b)))
            for k, b in zip(t, a, strict=True)
        ],
        w,
    )


def _blob(pen: Pen, rng: np.random.Generator) -> None:
    n = whole(rng, 5, 9)
    points = [
        (50 + between(rng, 24, 48) * float(np.cos(a)), 50 + between(rng, 24, 48) * float(np.sin(a)))
        for a in np.linspace(0, 2 * np.pi, n, endpoint=False)
    ]
    pen.polygon(smooth(points, 6))
    for _ in range(whole(rng, 0, 3)):
        pen.circle(between(rng, 30, 70), between(rng, 30, 70), between(rng, 4, 12), tone=0)


def _cubes(pen: Pen, rng: np.random.Generator) -> None:
    n = whole(rng, 2, 4)
    step = 88 / n
    round_ = between(rng, 0, step / 2.2)
    for i in range(n):
        for j in range(n):
            if chance(rng, 0.68) or i == j:
                pen.box(
                    6 + i * step,
                    6 + j * step,
                    6 + (i + 0.86) * step,
                    6 + (j + 0.86) * step,
                    round_,
                    tone=pick(rng, (255, 255, 170, 120)),
                )


def _wave(pen: Pen, rng: np.random.Generator) -> None:
    pen.circle(50, 50, 46)
    for _ in range(whole(rng, 1, 3)):
        y, high, phase = between(rng, 30, 75), between(rng, 4, 12), between(rng, 0, 6.3)
        x = np.linspace(0, 100, 30)
        pen.line(
            [(float(a), float(y + high * np.sin(a / 14 + phase))) for a in x],
            between(rng, 3, 9),
            tone=0,
        )


def _shield(pen: Pen, rng: np.random.Generator) -> None:
    low = between(rng, 58, 72)
    outline: list[Point] = [
        (10, 12),
        (50, between(rng, 4, 14)),
        (90, 12),
        (88, low),
        (50, 97),
        (12, low),
    ]
    pen.polygon(outline if chance(rng, 0.5) else smooth(outline, 4))
    style = whole(rng, 0, 2)
    if style == 0:
        pen.line([(50, 12), (50, 92)], between(rng, 3, 9), tone=0)
        pen.line([(12, 45), (88, 45)], between(rng, 3, 9), tone=0)
    elif style == 1:
        pen.line([(14, 30), (50, 55), (86, 30)], between(rng, 5, 11), tone=0)
    else:
        pen.circle(50, 45, between(rng, 12, 22), tone=0)


def _leaf(pen: Pen, rng: np.random.Generator) -> None:
    lean = between(rng, -15, 15)
    pen.polygon(smooth([(50, 96), (20 + lean, 55), (50 + lean, 4), (80 + lean, 50)], 8))
    pen.line([(50, 98), (50 + lean * 0.7, 30)], between(rng, 2, 5), tone=0)
    for i in range(whole(rng, 0, 3)):
        y = 50 + 12 * i
        pen.line([(50, y + 10), (66, y - 4)], 2.5, tone=0)
        pen.line([(50, y + 10), (34, y - 4)], 2.5, tone=0)


def _facets(pen: Pen, rng: np.random.Generator) -> None:
    """A cut stone: triangles from a point inside, each in another tone."""
    n, turn = whole(rng, 4, 9), between(rng, 0, np.pi)
    x, y = between(rng, 35, 65), between(rng, 35, 65)
    corners = [
        (50 + 46 * float(np.cos(turn + a)), 50 + 46 * float(np.sin(turn + a)))
        for a in np.linspace(0, 2 * np.pi, n, endpoint=False)
    ]
    gap = chance(rng, 0.3)
    for i in range(n):
        tone = whole(rng, 90, 255)
        pen.polygon([(x, y), corners[i], corners[(i + 1) % n]], tone)
        if gap:
            pen.line([(x, y), corners[i]], 1.6, tone=0)


def _solid(pen: Pen, rng: np.random.Generator) -> None:
    """A cone, a ball, a drum or a pyramid, shaded from one side."""
    style, from_left = whole(rng, 0, 3), chance(rng, 0.5)
    light, dark = whole(rng, 90, 150), 255
    strips = 24
    for i in range(strips):
        share = i / (strips - 1)
        tone = round(light + (dark - light) * (share if from_left else 1 - share))
        x0, x1 = 10 + 80 * i / strips, 10 + 80 * (i + 1) / strips + 0.5
        if style == 0:  # a cone: strips meet at the tip
            sag = [85 + 9 * float(np.sin(np.pi * (x - 10) / 80)) for x in (x0, x1)]
            pen.polygon([(50, 8), (x0, sag[0]), (x1, sag[1])], tone)
        elif style == 1:  # a ball
            half = [float(np.sqrt(max(0.0, 1 - ((x - 50) / 40) ** 2))) * 40 for x in (x0, x1)]
            pen.polygon(
                [(x0, 50 - half[0]), (x1, 50 - half[1]), (x1, 50 + half[1]), (x0, 50 + half[0])],
                tone,
            )
        elif style == 2:  # a drum
            bulge = [9 * float(np.sin(np.pi * (x - 10) / 80)) for x in (x0, x1)]
            pen.polygon(
                [
                    (x0, 24 - bulge[0]),
                    (x1, 24 - bulge[1]),
                    (x1, 80 + bulge[1]),
                    (x0, 80 + bulge[0]),
                ],
                tone,
            )
    if style == 2:
        pen.polygon(smooth([(10, 24), (30, 16), (50, 14), (70, 16), (90, 24), (50, 34)]), light)
    elif style == 3:
        ridge = between(rng, 35, 65)
        pen.polygon([(50, 10), (6, 84), (ridge, 94)], light)
        pen.polygon([(50, 10), (ridge, 94), (94, 78)], dark)


def _ribbon(pen: Pen, rng: np.random.Generator) -> None:
    """A square on its corner with a band folded through it, in three tones."""
    r = between(rng, 0, 14)
    tilt = between(rng, 0.15, 0.4)
    for x0, x1, tone in ((4.0, 48.0, 160), (52.0, 96.0, 255)):
        pen.box(x0, 18, x1, 82, r, tone=tone)
    pen.polygon([(4, 82 - 60 * tilt), (96, 18), (96, 18 + 40 * tilt), (4, 82)], tone=0)
    band = between(rng, 14, 24)
    pen.polygon([(8, 60), (92, 60 - band), (92, 60), (8, 60 + band)], tone=whole(rng, 90, 255))


_EMBLEMS: tuple[Callable[[Pen, np.random.Generator], None], ...] = (
    _star,
    _petals,
    _polygon_ring,
    _bands,
    _discs,
    _swirl,
    _blob,
    _cubes,
    _wave,
    _shield,
    _leaf,
    _facets,
    _solid,
    _ribbon,
)


def emblem_mask(rng: np.random.Generator, side: int) -> Image.Image:
    """An abstract figure as an ink mask, (side, side); nearly every call gives another."""
    pen = Pen(side)
    pick(rng, _EMBLEMS)(pen, rng)
    mask = pen.mask()
    if chance(rng, 0.3):
        mask = mask.rotate(between(rng, 0, 360), Image.Resampling.BILINEAR)
    return mask
