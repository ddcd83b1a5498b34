"""Pictures resized as Pillow does it, by torch, in a sixth of the time.

Bicubic with antialiasing: Keys' cubic (1981, "Cubic convolution interpolation for digital image
processing", a = -1/2), stretched by the scale where a picture shrinks. torch's kernel for bytes is
Pillow's arithmetic in the processor's vectors (AVX2), with weights of 16 bits: of the samples
of photographs some thousandths differ by one. Where they differ by more, it is lettering
whose overshoot is clipped between the passes across and down, which Pillow takes in the cheaper
order and torch in this one. Pillow's own loop was more than half of what decoding a JPEG of a
megapixel cost.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch.nn.functional import interpolate

_GAP = 2.0
"""A picture over this many times twice as large is first averaged over whole blocks of pixels."""
# Pixels: where fewer come out, each is a sum of so many weights that 16 bits lose levels.
_FEW = 32


Pixels = Image.Image | np.ndarray
"""An RGB picture: Pillow's where it decoded or turned it, else an array of shape (h, w, 3) as it
came. Either way round is a copy."""


def as_image(pixels: Pixels) -> Image.Image:
    """The picture for Pillow; not copied where it is Pillow's already."""
    return Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels


def size_of(pixels: Pixels) -> tuple[int, int]:
    """Width and height."""
    if isinstance(pixels, np.ndarray):
        return pixels.shape[1], pixels.shape[0]
    return pixels.size


def shrunk(
    pixels: UInt8[np.ndarray, "n side side 3"], side: int
) -> UInt8[np.ndarray, "n less less 3"]:
    """Squares at a smaller side, at least 32: each as :func:`resized` gives it, all at once.

    Args:
        side: more than a quarter of theirs, so that no blocks are averaged first.
    """
    return _bicubic(np.ascontiguousarray(pixels), side, side)


def resized(pixels: Pixels, width: int, height: int) -> UInt8[np.ndarray, "h w 3"]:
    """An RGB picture at another size, as ``Image.resize`` has it with ``BICUBIC`` and
    ``reducing_gap=2``; by that very function where the size is a sliver, or blocks don't fit.

    Args:
        pixels: with at least one.
        width, height: in pixels, at least 1.
    """
    columns, rows = size_of(pixels)
    # As Pillow chooses them.
    across, down = (int(columns / width / _GAP) or 1), (int(rows / height / _GAP) or 1)
    if min(width, height) < _FEW or columns % across or rows % down:
        bicubic = Image.Resampling.BICUBIC
        return np.asarray(as_image(pixels).resize((width, height), bicubic, reducing_gap=_GAP))
    if across > 1 or down > 1:
        pixels = as_image(pixels).reduce((across, down))
    if isinstance(pixels, Image.Image):
        pixels = np.array(pixels)  # a copy: torch warns of memory that must not be written
    # Not pixels[None]: a batch that is no step long takes torch two thirds longer.
    square: np.ndarray = _bicubic(pixels.reshape(1, *pixels.shape), width, height)[0]
    return square


def _bicubic(
    pixels: UInt8[np.ndarray, "n rows columns 3"], width: int, height: int
) -> UInt8[np.ndarray, "n h w 3"]:
    # A batch before the axes change places, be it of one: the other way round torch does not see
    # that the bytes of a pixel lie together, and takes half as long again over the same arithmetic.
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    found = interpolate(planes, (height, width), mode="bicubic", antialias=True)
    pictures: np.ndarray = found.permute(0, 2, 3, 1).contiguous().numpy()
    return pictures
