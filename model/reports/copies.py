"""Pictures and what shops make of them: for measuring whether a picture is found again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.data import Record, load_manifest
from model.encoder import Encoder
from model.experts.hashing import perceptual_hash
from model.experts.statistics import statistics
from model.images import decode_image, letterbox
from model.reports.features import FeatureStore
from model.standins import degrade

_BATCH = 32
# A stand-in is what recurs; of products a few copies tell what a false alarm is like.
_COPIES_OF_STANDIN, _ONE_PRODUCT_IN = 3, 10


@dataclass(frozen=True, eq=False)
class Copies:
    """Originals and degraded copies, one row a picture.

    Attributes:
        original: shape (n,), int: the row of the picture that this one is made from, itself where
            it is an original.
        hashes, embeddings, statistics: what the experts see.
        is_standin, held_out, validation: shape (n,), bool: by the label and the rule of
            ``model.holdout``; validation: from a folder that nothing may be trained on.
        group, kind: shape (n,), str.
    """

    original: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    embeddings: NDArray[np.float32]
    statistics: NDArray[np.float32]
    is_standin: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    group: np.ndarray
    kind: np.ndarray

    @property
    def is_original(self) -> NDArray[np.bool_]:
        """Rows of pictures as they lie in their folder."""
        return np.asarray(self.original == np.arange(len(self.original)))


def make_copies(
    data: Sequence[Path],
    validation: Sequence[Path],
    encoder: Encoder,
    key: str,
    store: FeatureStore,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Copies:
    """Read every picture of the folders, copy some as ``model.standins.degrade`` does, and look.

    Args:
        encoder, key: what embeds, and its name in the store (``features.encoder_key``).
        store: what was embedded before is not embedded again.
        data, validation: folders with manifests, as ``model.reports.pool.sides`` divides them.
        seed: of the degradations; copy c of picture i depends on (seed, i, c) alone.
        progress: called with the number of pictures done and in all.

    Raises:
        ManifestError: a manifest cannot be read.
        PictureError: one of its pictures cannot be.
    """
    records = [(r, folder in validation) for folder in (*data, *validation)
               for r in load_manifest(folder)]  # fmt: skip
    plan = [(i, 0) for i in range(len(records))]
    for i, (record, _) in enumerate(records):
        copies = _COPIES_OF_STANDIN if record.is_standin else int(i % _ONE_PRODUCT_IN == 0)
        plan += [(i, c) for c in range(1, copies + 1)]
    hashes, numbers, names = [], [], []
    known = store.known(key)
    for start in range(0, len(plan), _BATCH):
        batch = plan[start : start + _BATCH]
        images = [_picture(records[i][0], seed, i, c) for i, c in batch]
        pixels = [letterbox(image, encoder.image_size) for image in images]
        sizes = np.array([image.size for image in images])
        hashes.append(perceptual_hash(np.stack(pixels), sizes))
        numbers.append(statistics(np.stack(pixels), sizes))
        here = [_name(records[i][0], c, p) for (i, c), p in zip(batch, pixels, strict=True)]
        if new := [j for j, name in enumerate(here) if name not in known]:
            rows = encoder.embed([pixels[j] for j in new])
            store.add(key, [here[j] for j in new], rows)
        names += here
        progress(min(start + _BATCH, len(plan)), len(plan))
    of = [records[i] for i, _ in plan]
    return Copies(
        original=np.array([i for i, _ in plan]),
        hashes=np.concatenate(hashes),
        embeddings=store.matrix(key, names),
        statistics=np.concatenate(numbers),
        is_standin=np.array([r.is_standin for r, _ in of]),
        held_out=np.array([r.is_held_out or v for r, v in of]),
        validation=np.array([v for _, v in of]),
        group=np.array([r.group for r, _ in of]),
        kind=np.array([r.kind for r, _ in of]),
    )


def _name(record: Record, copy: int, pixels: NDArray[np.uint8]) -> str:
    """In the store: by the file's bytes, of a copy by its pixels."""
    return hashlib.sha256(pixels.tobytes() if copy else record.path.read_bytes()).hexdigest()


def _picture(record: Record, seed: int, index: int, copy: int) -> Image.Image:
    image = decode_image(record.path.read_bytes())
    if copy == 0:
        return image
    return degrade(image, np.random.default_rng([seed, index, copy]))
