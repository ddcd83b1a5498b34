"""Lettering cut out close: what the reader learns its letters from before it sees pictures.

A piece of 64 x 128 pixels costs a sixth of a whole picture, and nearly all of it is letters. So
the network reads these first, many times over, and then learns to find the same in pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from model.standins.chance import between, chance, log_between, pick
from model.standins.lettering import words_mask
from model.training.reader_views import ReaderLabel, ReaderSource

HEIGHT, WIDTH = 64, 128


@dataclass(frozen=True)
class LineSource:
    """Notices and ordinary words, half and half, as close cuts.

    Attributes:
        pictures: whose words, faces and seed are used.
    """

    pictures: ReaderSource

    def view(self, index: int) -> tuple[NDArray[np.uint8], ReaderLabel]:
        """Make piece ``index``: grey pixels (64, 128), and what is known of it."""
        source = self.pictures
        rng = np.random.default_rng([source.seed, 72, source.salt, index])
        says_none = chance(rng, 0.5)
        words = source.choose_words(rng, says_none)
        # Letters of 6 to 40 pixels: as high as lettering is in pictures of 224.
        wide = round(WIDTH * between(rng, 0.45, 1.0))
        box = (wide, round(min(HEIGHT * 0.95, wide * log_between(rng, 0.1, 0.8))))
        mask = words_mask(rng, source.resources.fonts, words.text, words.script, box)
        ground, ink = _tones(rng)
        piece = Image.new("L", (WIDTH, HEIGHT), round(ground))
        if mask is not None:
            mask.thumbnail((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
            if chance(rng, 0.06):
                mask = mask.rotate(between(rng, -20, 20), Image.Resampling.BICUBIC)
            at = (
                round(between(rng, 0, WIDTH - mask.width)),
                round(between(rng, 0, HEIGHT - mask.height)),
            )
            piece.paste(round(ink), at, mask)
        pixels = np.asarray(_worn(rng, piece), dtype=np.float32)
        if chance(rng, 0.3):
            slope = np.linspace(-1, 1, WIDTH, dtype=np.float32) * between(rng, -30, 30)
            pixels = pixels + slope
        if chance(rng, 0.4):
            pixels = pixels + rng.normal(0, between(rng, 0.5, 5), pixels.shape).astype(np.float32)
        label = ReaderLabel(
            int(says_none), int(mask is not None), words.text, words.language, source.group,
            "notice" if says_none else "goods",
        )  # fmt: skip
        return pixels.clip(0, 255).astype(np.uint8), label


def _tones(rng: np.random.Generator) -> tuple[float, float]:
    """Of the ground and of the ink, at least 20 levels apart."""
    while True:
        ground, ink = between(rng, 0, 255), between(rng, 0, 255)
        if chance(rng, 0.4):
            ground = between(rng, 200, 255)
        if abs(ground - ink) >= 20:
            return ground, ink


def _worn(rng: np.random.Generator, piece: Image.Image) -> Image.Image:
    """Shrunk and enlarged again, or blurred, one time in three."""
    if chance(rng, 0.2):
        scale = between(rng, 0.45, 0.9)
        small = piece.resize((round(WIDTH * scale), round(HEIGHT * scale)))
        return small.resize(
            (WIDTH, HEIGHT), pick(rng, (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC))
        )
    if chance(rng, 0.15):
        return piece.filter(ImageFilter.GaussianBlur(between(rng, 0.3, 1.0)))
    return piece
