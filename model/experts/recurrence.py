"""How many different items carry the same picture, and what that says.

A stand-in is the picture that hundreds of items share; a colour variant's is shared by three. Let
n of a catalogue's N items carry a picture, and ask at one of them. The model of a shop, with all of
its numbers, is:

- **A product's own picture** is shared by its variants (sizes, colours, packs). Their number is
  geometric with mean 2.5: clothes have ten, most else one. Asked at an item, families count by
  their size: P(n) = n (1 - q)^2 q^(n-1), q = 1 - 1 / 2.5. One item in fifty belongs to a range that
  shares a picture of the range, a box of screws in all lengths, and ranges have Zipf's tail:
  P(n) = (6 / pi^2) / n^2.
- **A stand-in** is carried by a share f of the items, log-uniform from one in 10,000 up, since
  shops are complete or full of gaps and no scale is more likely than another. The count is Poisson
  with mean f N, so P(n) = P[Poisson(N / 10,000) < n] / (n log(1 + min(N, 10,000))): in a catalogue
  of a million items, three that share a picture are not the work of a shop's software.

The answer is log P(n | stand-in) - log P(n | real), never below 0: a picture that few items share
is no evidence against, as its shop may have few gaps. At n = 1 nothing was seen, and it abstains.
Between n = 10 and n = 20 it turns from nothing to 2 and more; 300 items that share make about 8.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Bool, Float32, Integer

from model.errors import SupportError

VARIANTS = 2.5
"""Mean number of items that share a product's own picture."""
RANGES = 0.02
"""Share of the items that carry the picture of a whole range."""
RAREST = 1e-4
"""Least share of a catalogue's items that a stand-in is carried by."""

_TINY = 16  # items: of a catalogue


def recurrence(
    items: Integer[np.ndarray, " n"], catalogue: int
) -> tuple[Float32[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Log likelihood ratio of "stand-in" from counts of items that carry the same picture.

    Args:
        items: of each picture, how many different items carry it, itself counted: 1 to catalogue.
        catalogue: N, of how many items the pictures were seen.
    Returns:
        Natural log odds, 0 or above, never falling with the count and never rising with the
        catalogue's size; and whether there is an answer: False where the picture was seen once.
    Raises:
        SupportError: a count is below 1 or above the catalogue's size.
    """
    if len(items) and not 1 <= items.min() <= items.max() <= catalogue:
        raise SupportError(
            f"between 1 and all {catalogue} items carry a picture, got {items.min()} to "
            f"{items.max()}"
        )
    ratio = _ratio(items, catalogue)
    if catalogue <= _TINY:
        # So few items that a stand-in is as likely to be on two as on five: the model's ratio falls
        # with the count there, and what two say counts for more of them, too.
        every = np.maximum.accumulate(_ratio(np.arange(1, catalogue + 1), catalogue)[1:])
        ratio = np.where(items > 1, every[np.maximum(items, 2) - 2], ratio) if len(every) else ratio
    answered = items > 1
    return np.where(answered, np.maximum(ratio, 0), 0).astype(np.float32), answered


def _ratio(items: np.ndarray, catalogue: int) -> np.ndarray:
    n = items.astype(np.float64)
    found: np.ndarray = _log_standin(n, catalogue) - np.log(_real(n))
    return found


def _real(n: np.ndarray) -> np.ndarray:
    """P(n | real)."""
    q = 1 - 1 / VARIANTS
    variants = n * (1 - q) ** 2 * q ** (n - 1)
    found: np.ndarray = (1 - RANGES) * variants + RANGES * 6 / (math.pi * n) ** 2
    return found


def _log_standin(n: np.ndarray, catalogue: int) -> np.ndarray:
    """log P(n | stand-in); the Poisson sum is the regularised upper incomplete gamma function."""
    mean = torch.full((len(n),), RAREST * catalogue, dtype=torch.float64)
    below = torch.special.gammaincc(torch.from_numpy(n), mean).numpy()
    # Far below the mean the sum underflows; there the answer is 0 whatever the number is.
    whole = math.log1p(min(catalogue, 1 / RAREST))
    found: np.ndarray = np.log(np.maximum(below, 1e-300)) - np.log(n) - math.log(whole)
    return found
