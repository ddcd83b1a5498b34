"""The whole model behind three words: load, adapt, score.

import model

m = model.load()
m.adapt({"placeholder": [...], "real": [...]}).score(pictures)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from model import images
from model.encoder import Encoder, choose_device
from model.errors import SupportError, UnreadablePicture
from model.weights import Card, find_card, load_weights, restore

if TYPE_CHECKING:
    from model.learners.base import Head, Learner

Source: TypeAlias = bytes | str | Path | Image.Image | np.ndarray
"""A picture: a file's bytes, its path, a Pillow picture, or uint8 samples of shape (h, w, 3)."""

LABELS = ("placeholder", "real")


class Model:
    """An encoder and a learner that were trained together.

    Attributes:
        card: what they are.
        encoder: pixels to embeddings.
        learner: embeddings to heads, heads to probabilities.
    """

    def __init__(self, card: Card, encoder: Encoder, learner: Learner) -> None:
        self.card = card
        self.encoder = encoder
        self.learner = learner

    def embed(self, pictures: Sequence[Source]) -> Float[Tensor, "n d"]:
        """Embed pictures; rows of unit length.

        Raises:
            PictureError: one of them cannot be read, or is too large.
        """
        size = self.encoder.image_size
        return torch.from_numpy(self.encoder.embed([_pixels(each, size) for each in pictures]))

    def adapt(self, support: Mapping[str, Sequence[Source]] | None = None) -> Adapted:
        """Learn a category from labelled pictures.

        Args:
            support: pictures under ``placeholder`` and ``real``; either may be missing or empty.
                None or an empty mapping gives the unadapted model.

        Raises:
            SupportError: another label.
            PictureError: one of the pictures cannot be read, or is too large.
        """
        support = support or {}
        if strange := sorted(set(support) - set(LABELS)):
            raise SupportError(
                f"labels are {' and '.join(LABELS)}, got {', '.join(map(repr, strange))}"
            )
        groups = [list(support.get(label, ())) for label in LABELS]
        embeddings = self.embed([picture for group in groups for picture in group])
        is_placeholder = torch.arange(len(embeddings)) < len(groups[0])
        return Adapted(self, self.learner.adapt(embeddings, is_placeholder))


@dataclass(frozen=True, eq=False)
class Adapted:
    """A model and what it learned about one category. Scoring changes nothing."""

    model: Model
    head: Head

    def score(self, pictures: Sequence[Source]) -> Float[Tensor, " n"]:
        """Probability of each picture to be a placeholder, strictly between 0 and 1.

        Raises:
            PictureError: one of them cannot be read, or is too large.
        """
        return self.model.learner.score(self.head, self.model.embed(pictures))


def load(path: str | Path | None = None, device: str = "auto") -> Model:
    """Load a release, its checksum verified.

    Args:
        path: of a model card, or of a folder with one in it; None for the release that comes
            with this package.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        WeightsError: files are missing, damaged or do not belong together.
        DeviceError: this machine does not have that device.
    """
    where = choose_device(device)
    card, tensors = load_weights(find_card(path))
    net, learner = restore(card, tensors)
    return Model(card, Encoder(net, card.image_size, where), learner)


def _pixels(source: Source, size: int) -> np.ndarray:
    if isinstance(source, str | Path):
        try:
            return images.decode(Path(source).read_bytes(), size).pixels
        except OSError as error:
            raise UnreadablePicture(f"{source} cannot be read: {error.strerror}") from error
    if isinstance(source, bytes):
        return images.decode(source, size).pixels
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
            raise UnreadablePicture(
                f"samples must be uint8 of shape (h, w, 3), got {source.dtype} of shape "
                f"{source.shape}"
            )
        source = Image.fromarray(source)
    if min(source.size) < 1:
        raise UnreadablePicture(f"the picture has no pixels: {source.width} x {source.height}")
    return images.letterbox(images.to_rgb(source), size)
