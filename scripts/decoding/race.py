"""All ways over the same files in turn, and what the model makes of their squares."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.facade import Adapted
from model.questions import Question

from .ways import SIZE, Way


def race(
    ways: Sequence[Way], files: Sequence[bytes], rounds: int, tell: Callable[[int, int], None]
) -> tuple[dict[str, NDArray[np.uint8]], dict[str, NDArray[np.float64]]]:
    """Decode every file by every way, one after the other, round after round.

    The CPU time of the whole process counts, so that a library's own threads do, too. Each round
    begins with another way: what one leaves in the caches is the next one's luck.

    Args:
        tell: how many files are done, and how many there are.

    Returns:
        By the way's name, squares (n, 224, 224, 3) and milliseconds (n, rounds).
    """
    squares = {way.name: np.empty((len(files), SIZE, SIZE, 3), np.uint8) for way in ways}
    spent = {way.name: np.empty((len(files), rounds)) for way in ways}
    for way in ways:
        way.square(files[0])  # what a library does at its first picture alone
    for number, data in enumerate(files):
        for round_ in range(rounds):
            first = (number + round_) % len(ways)
            for way in (*ways[first:], *ways[:first]):
                began = time.process_time()
                square = way.square(data)
                spent[way.name][number, round_] = (time.process_time() - began) * 1000
                squares[way.name][number] = square
        tell(number + 1, len(files))
    return squares, spent


def sizes(files: Sequence[bytes]) -> list[tuple[int, int]]:
    """Width and height of each file's picture."""
    found = []
    for data in files:
        with Image.open(io.BytesIO(data)) as image:
            found.append(image.size)
    return found


def judge(
    adapted: Adapted, squares: NDArray[np.uint8], originals: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Embeddings (n, d) and probabilities (n,), as ``adapted.score`` gives for such pixels.

    Args:
        originals: width and height of each picture before it was fitted into its square.
    """
    ensemble = adapted.model.ensemble
    looks = [ensemble.look(each, *size) for each, size in zip(squares, originals, strict=True)]
    questions = [Question(row, 0) for row in range(len(looks))]
    _, route = ensemble.examine_and_route(looks, [adapted.known], questions)
    # For their drift all are embedded, whoever was asked about.
    return ensemble.encoder.embed(squares), route.probability.astype(np.float64)


def judged(
    adapted: Adapted,
    squares: Mapping[str, NDArray[np.uint8]],
    originals: Sequence[tuple[int, int]],
) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float64]]]:
    """:func:`judge` for every way, by its name."""
    found = {name: judge(adapted, each, originals) for name, each in squares.items()}
    return (
        {name: embeddings for name, (embeddings, _) in found.items()},
        {name: probabilities for name, (_, probabilities) in found.items()},
    )
