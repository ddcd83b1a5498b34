"""Flat outlines of people and goods, as shops show them where a photograph is missing."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from model.standins.chance import between, chance, pick, whole
from model.standins.surface import Pen, Point, jitter, smooth

Outline = Callable[[Pen, np.random.Generator], None]


def _mirrored(points: list[Point]) -> list[Point]:
    """Points of the right half, and their mirror image."""
    return points + [(100 - x, y) for x, y in reversed(points)]


def _person(pen: Pen, rng: np.random.Generator) -> None:
    head, y = between(rng, 15, 21), between(rng, 28, 36)
    shoulder, wide = y + head + between(rng, 6, 12), between(rng, 32, 44)
    if chance(rng, 0.3):  # long hair
        pen.polygon(
            smooth(
                _mirrored(
                    [
                        (50, y - head - 4),
                        (50 + head + 4, y - 4),
                        (50 + head + 6, y + head + 8),
                        (58, y + head),
                    ]
                )
            )
        )
    pen.circle(50, y, head)
    if chance(rng, 0.6):
        pen.box(44, y + head - 5, 56, shoulder + 4)
    pen.polygon(
        smooth(
            _mirrored(
                [(50, shoulder), (50 + wide * 0.7, shoulder + 7), (50 + wide, 88), (50 + wide, 100)]
            )
        )
    )
    pen.box(50 - wide, 94, 50 + wide, 100)


def _bust(pen: Pen, rng: np.random.Generator) -> None:
    r, gap = between(rng, 16, 22), between(rng, 2, 8)
    pen.circle(50, 10 + r, r)
    top = 10 + 2 * r + gap
    pen.box(50 - between(rng, 32, 42), top, 50 + between(rng, 32, 42), 96, between(rng, 14, 22))


def _standing(pen: Pen, rng: np.random.Generator) -> None:
    pen.circle(50, 12, 8.5)
    arm = between(rng, 14, 20)
    pen.box(50 - arm, 23, 50 + arm, 32, 6)
    for s in (-1, 1):
        pen.line([(50 + s * (arm - 3), 27), (50 + s * (arm - 2), 55)], 6)
        pen.line([(50 + s * 6, 56), (50 + s * 6, 94)], 9)
    pen.box(50 - arm + 7, 24, 50 + arm - 7, 60, 3)
    if chance(rng, 0.4):
        pen.polygon([(40, 40), (60, 40), (72, 72), (28, 72)])


def _tshirt(pen: Pen, rng: np.random.Generator) -> None:
    sleeve, cuff = between(rng, 34, 52), between(rng, 11, 16)
    if chance(rng, 0.3):
        sleeve = between(rng, 70, 82)
    hem, waist = between(rng, 84, 95), between(rng, 22, 26)
    right: list[Point] = [
        (50, 20),
        (62, 11),
        (76, 15),
        (97 if sleeve < 60 else 94, sleeve),
        (97 - cuff, sleeve + 7),
        (50 + waist, 40),
        (50 + jitter(rng, waist, 0.1), hem),
        (50, hem),
    ]
    pen.polygon(_mirrored(right))
    pen.polygon(smooth([(38, 10), (50, 24), (62, 10), (50, 8)]), tone=0)


def _dress(pen: Pen, rng: np.random.Generator) -> None:
    flare, hem = between(rng, 24, 40), between(rng, 80, 96)
    right: list[Point] = [
        (50, 20),
        (58, 6),
        (62, 6),
        (64, 22),
        (59, 42),
        (50 + flare, hem),
        (50, hem + 2),
    ]
    pen.polygon(_mirrored(right))


def _trousers(pen: Pen, rng: np.random.Generator) -> None:
    leg, foot = between(rng, 20, 27), between(rng, 12, 18)
    low = between(rng, 55, 94)
    right: list[Point] = [
        (50, 6),
        (50 + leg - 2, 6),
        (50 + leg + 3, low),
        (50 + leg + 3 - foot, low),
        (50, 32),
    ]
    pen.polygon(_mirrored(right))


def _shoe(pen: Pen, rng: np.random.Generator) -> None:
    if chance(rng, 0.3):  # a heel
        pen.polygon(
            smooth(
                [
                    (12, 30),
                    (26, 34),
                    (50, 58),
                    (78, 66),
                    (94, 74),
                    (90, 80),
                    (60, 78),
                    (40, 66),
                    (22, 52),
                ]
            )
        )
        pen.polygon([(13, 32), (22, 50), (20, 84), (15, 84)])
        return
    toe, top = between(rng, 52, 60), between(rng, 22, 32)
    pen.polygon(
        smooth(
            [
                (10, top),
                (30, top - 3),
                (42, top + 12),
                (58, toe - 8),
                (84, toe),
                (95, toe + 12),
                (92, 76),
                (10, 76),
                (7, 50),
            ]
        )
    )
    pen.box(6, 78, 95, between(rng, 84, 88), 4)
    for i in range(whole(rng, 0, 4)):
        pen.line([(40 + 6 * i, 40 + 4 * i), (48 + 6 * i, 34 + 4 * i)], 2.2, tone=0)


def _bottle(pen: Pen, rng: np.random.Generator) -> None:
    body, neck = between(rng, 14, 24), between(rng, 5, 9)
    neck_end, shoulder = between(rng, 20, 32), between(rng, 36, 48)
    pen.box(50 - neck - 1, 4, 50 + neck + 1, 12, 2)
    right: list[Point] = [
        (50, 10),
        (50 + neck, 10),
        (50 + neck, neck_end),
        (50 + body, shoulder),
        (50 + body, 94),
        (50, 96),
    ]
    pen.polygon(_mirrored(right))
    if chance(rng, 0.5):
        pen.box(50 - body + 3, 58, 50 + body - 3, 80, 1, tone=pick(rng, (0, 140)))


def _jar(pen: Pen, rng: np.random.Generator) -> None:
    wide, lid = between(rng, 24, 36), between(rng, 12, 20)
    pen.box(50 - wide + 4, 18, 50 + wide - 4, 18 + lid, 3)
    pen.box(50 - wide, 20 + lid, 50 + wide, 90, between(rng, 4, 14))


def _car(pen: Pen, rng: np.random.Generator) -> None:
    roof, bonnet = between(rng, 28, 38), between(rng, 48, 54)
    back = between(rng, 12, 26)
    pen.polygon(
        smooth(
            [
                (back, bonnet),
                (back + 14, roof),
                (62, roof),
                (76, bonnet),
                (95, bonnet + 7),
                (95, 72),
                (5, 72),
                (5, bonnet + 2),
            ],
            3,
        )
    )
    pen.polygon([(back + 9, bonnet), (back + 17, roof + 5), (46, roof + 5), (46, bonnet)], tone=0)
    pen.polygon([(50, bonnet), (50, roof + 5), (60, roof + 5), (70, bonnet)], tone=0)
    for x in (25.0, 75.0):
        pen.circle(x, 72, 12, tone=0)
        pen.circle(x, 72, between(rng, 8, 10))


def _sofa(pen: Pen, rng: np.random.Generator) -> None:
    arm, top = between(rng, 9, 15), between(rng, 28, 38)
    pen.box(14, top, 86, 70, 7)
    for x in (5.0, 95.0 - arm):
        pen.box(x, 46, x + arm, 78, 5)
    pen.box(10, 64, 90, 78, 3)
    if chance(rng, 0.6):
        pen.line([(50, top + 4), (50, 64)], 2, tone=0)
    pen.line([(10, 62), (90, 62)], 2, tone=0)
    for x in (14.0, 82.0):
        pen.box(x, 78, x + 4, between(rng, 84, 90))


def _chair(pen: Pen, rng: np.random.Generator) -> None:
    back = between(rng, 30, 36)
    pen.box(back, 6, 100 - back, 48, between(rng, 2, 12))
    pen.box(26, 50, 74, 60, 4)
    for s in (-1, 1):
        pen.line([(50 + s * 20, 58), (50 + s * between(rng, 20, 27), 95)], 4)


def _lamp(pen: Pen, rng: np.random.Generator) -> None:
    wide = between(rng, 22, 32)
    pen.polygon([(50 - wide * 0.5, 8), (50 + wide * 0.5, 8), (50 + wide, 44), (50 - wide, 44)])
    pen.line([(50, 44), (50, 90)], between(rng, 3, 6))
    pen.box(34, 88, 66, 94, 2)


def _phone(pen: Pen, rng: np.random.Generator) -> None:
    half = between(rng, 20, 28)
    pen.box(50 - half, 5, 50 + half, 95, between(rng, 3, 9))
    if chance(rng, 0.6):
        pen.box(50 - half + 3, 14, 50 + half - 3, 84, 1, tone=pick(rng, (0, 120)))
        pen.circle(50, 89.5, 2.8, tone=0)


def _laptop(pen: Pen, rng: np.random.Generator) -> None:
    pen.box(18, between(rng, 22, 30), 82, 70, 3)
    pen.box(22, 34, 78, 65, 1, tone=pick(rng, (0, 130)))
    pen.polygon([(10, 72), (90, 72), (98, 80), (2, 80)])


def _book(pen: Pen, rng: np.random.Generator) -> None:
    left = between(rng, 18, 26)
    pen.box(left, 6, 100 - left, 94, 3)
    pen.line([(left + 9, 6), (left + 9, 94)], 1.8, tone=0)
    if chance(rng, 0.5):
        pen.box(left + 17, 22, 92 - left, 36, 1, tone=0)


def _watch(pen: Pen, rng: np.random.Generator) -> None:
    pen.box(38, 3, 62, 97, 4)
    pen.circle(50, 50, 29, tone=0)
    pen.circle(50, 50, between(rng, 24, 27))
    pen.line([(50, 34), (50, 50), (62, 56)], 3, tone=0)


def _pot(pen: Pen, rng: np.random.Generator) -> None:
    for i in range(whole(rng, 3, 6)):
        a = np.radians(between(rng, -160, -20))
        x, y = 50 + 34 * np.cos(a), 58 + 44 * np.sin(a)
        mid = (50 + 12 * np.cos(a) + 5, 58 + 26 * np.sin(a))
        pen.polygon(smooth([(50, 62), mid, (x, y), (mid[0] - 12 - i, mid[1] + 3)]))
    pen.polygon([(32, 60), (68, 60), (62, 94), (38, 94)])


SILHOUETTES: dict[str, tuple[Outline, ...]] = {
    "person": (_person, _bust, _standing),
    "garment": (_tshirt, _dress, _trousers),
    "shoe": (_shoe,),
    "bottle": (_bottle, _jar),
    "car": (_car,),
    "furniture": (_sofa, _chair, _lamp),
    "gadget": (_phone, _laptop, _watch),
    "thing": (_book, _pot),
}


def draw_silhouette(rng: np.random.Generator, concept: str, side: int) -> Image.Image:
    """A silhouette of ``SILHOUETTES`` as an ink mask, (side, side)."""
    pen = Pen(side)
    pick(rng, SILHOUETTES[concept])(pen, rng)
    mask = pen.mask()
    return mask.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if chance(rng, 0.4) else mask
