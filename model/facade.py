"""The whole model behind three words: load, adapt, score.

import model

m = model.load()
m.adapt({"placeholder": [...], "real": [...]}).score(pictures)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from model import images
from model.encoder import Encoder, choose_device
from model.ensemble import Ensemble, Experts
from model.errors import SupportError, UnreadablePicture, WeightsError
from model.experts.panel import Panel
from model.experts.release import experts_path, load_released
from model.experts.sameness import Sameness
from model.experts.words import RELEASED as READER
from model.experts.words import SIZE as READER_SIZE
from model.experts.words import Reads, load_reader, load_reader_card
from model.look import Look
from model.processor import adds_products_of_bytes
from model.questions import Known, Question
from model.weights import (
    Card,
    find_card,
    load_weights,
    part,
    restore_encoder,
    restore_learner,
)

if TYPE_CHECKING:
    from model.learners.base import Learner

Source: TypeAlias = bytes | str | Path | Image.Image | np.ndarray
"""A picture: a file's bytes, its path, a Pillow picture, or uint8 samples of shape (h, w, 3)."""

EngineName: TypeAlias = Literal["auto", "torch", "onnxruntime"]
PrecisionName: TypeAlias = Literal["auto", "float", "int8"]

LABELS = ("placeholder", "real")


class Model:
    """An encoder, a learner and experts that were trained together.

    Attributes:
        card: what they are.
        encoder: pixels to embeddings.
        learner: embeddings to heads, heads to probabilities.
        ensemble: all experts and the top level above them; the visual head alone where the release
            has no others.
    """

    def __init__(
        self, card: Card, encoder: Encoder, learner: Learner, experts: Experts | None = None
    ) -> None:
        self.card = card
        self.encoder = encoder
        self.learner = learner
        self.ensemble = Ensemble(encoder, learner, experts)

    def embed(self, pictures: Sequence[Source]) -> Float[Tensor, "n d"]:
        """Embed pictures; rows of unit length.

        Raises:
            PictureError: one of them cannot be read, or is too large.
        """
        size = self.encoder.image_size
        return torch.from_numpy(self.encoder.embed([_decoded(each, size)[0] for each in pictures]))

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
        looks = self._look([picture for group in groups for picture in group])
        signals = self.ensemble.examine(looks)
        is_placeholder = np.arange(len(looks)) < len(groups[0])
        state = self.ensemble.adapt(signals, is_placeholder)
        return Adapted(self, Known(state, signals, is_placeholder))

    def _look(self, pictures: Sequence[Source]) -> list[Look]:
        size = self.encoder.image_size
        return [self.ensemble.look(*_decoded(each, size)) for each in pictures]


@dataclass(frozen=True, eq=False)
class Adapted:
    """A model and what it learned about one category. Scoring changes nothing."""

    model: Model
    known: Known

    def score(self, pictures: Sequence[Source]) -> Float[Tensor, " n"]:
        """Probability of each picture to be a placeholder, strictly between 0 and 1.

        Raises:
            PictureError: one of them cannot be read, or is too large.
        """
        if not pictures:
            return torch.zeros(0)
        ensemble = self.model.ensemble
        looks = self.model._look(pictures)
        questions = [Question(row, 0) for row in range(len(looks))]
        signals = ensemble.examine(looks, [self.known], questions)
        return torch.from_numpy(ensemble.route(signals, [self.known], questions).probability)


def load(
    path: str | Path | None = None,
    device: str = "auto",
    engine: EngineName = "auto",
    precision: PrecisionName = "float",
) -> Model:
    """Load a release, its checksum verified.

    Args:
        path: of a model card, or of a folder with one in it; None for the release that comes
            with this package.
        device: ``auto``, ``cpu`` or ``cuda``.
        engine: what makes the networks' passes: ``torch``, ``onnxruntime`` (on the CPU, for
            releases that have graphs), or ``auto``: the faster that there is.
        precision: of the encoder. ``float``: single on the CPU, half on a GPU; ``int8``: whole
            numbers of 8 bits, by ONNX Runtime, for releases that have such a graph and processors
            that are good at it (``model.processor``), in half the time and with embeddings of a
            cosine above 0.99 to those of ``float``; ``auto``: ``int8`` where it can be had.

    Raises:
        WeightsError: files are missing, damaged or do not belong together; or ``onnxruntime`` or
            ``int8`` was asked for and the release has no such graph, or the device or the processor
            is another.
        DeviceError: this machine does not have that device.
    """
    where = choose_device(device)
    card_path = find_card(path)
    card, tensors = load_weights(card_path)
    with_graph = engine != "torch" and where.type == "cpu" and bool(card.graph)
    if engine == "onnxruntime" and not with_graph:
        why = f"it has no graph beside {card_path}" if where.type == "cpu" else f"on {where}"
        raise WeightsError(f"{card.name} cannot be run by ONNX Runtime: {why}")
    in_bytes = precision != "float" and _can_run_int8(card, with_graph, precision == "int8")
    encoder = (
        _graph_encoder(card_path, card, tensors, in_bytes)
        if with_graph
        else Encoder(restore_encoder(card, tensors), card.image_size, where)
    )
    learner = restore_learner(card, tensors)
    return Model(card, encoder, learner, _experts(card_path, card, learner, with_graph))


def _can_run_int8(card: Card, with_graph: bool, needed: bool) -> bool:
    if not with_graph:
        why = "ONNX Runtime does that, on a CPU, where there is a graph"
    elif not card.int8_graph:
        why = "it has no such graph"
    elif not adds_products_of_bytes():
        why = "this processor has no VNNI, or nobody knows whether it has"
    else:
        return True
    if needed:
        raise WeightsError(f"{card.name} cannot be run in 8 bits: {why}")
    return False


def _graph_encoder(
    card_path: Path, card: Card, tensors: Mapping[str, Tensor], in_bytes: bool
) -> Encoder:
    # Here and not at the top: training, and a GPU, have no use for it.
    from model.onnx_engine import OnnxEncoder, open_graph, open_int8

    weights = part(tensors, "encoder.")
    session = (
        open_int8(card_path, card, weights)
        if in_bytes
        else open_graph(card_path.with_name(card.graph), card.graph_sha256, weights)
    )
    return OnnxEncoder(
        session,
        lambda: restore_encoder(card, tensors),
        backbone=card.backbone,
        dim=card.embedding_dim,
        image_size=card.image_size,
        precision="int8" if in_bytes else "fp32",
    )


def _reader(with_graph: bool, image_size: int) -> Reads:
    reader = load_reader()
    card = load_reader_card(READER)
    # A graph has one size, the released encoder's; torch reads pictures of any.
    if not (with_graph and card.graph and image_size == READER_SIZE):
        return reader
    from model.onnx_engine import OnnxReader, open_graph

    path = READER.with_name(card.graph)
    return OnnxReader(open_graph(path, card.graph_sha256, reader.state_dict()))


def _experts(card_path: Path, card: Card, learner: Learner, with_graph: bool) -> Experts | None:
    """The experts that lie beside a card; None where there are none."""
    path = experts_path(card_path)
    if not path.exists():
        return None
    found = load_released(path, card.sha256, load_reader_card(READER).sha256)
    return Experts(
        reader=_reader(with_graph, card.image_size),
        panel=Panel(found.statistics, found.words, learner).eval(),
        sameness=Sameness(),
        combination=found.combination,
        surely=found.surely,
        policy=found.policy,
        digest=str(found.about["sha256"]),
        mark=found.mark,
        glance=found.glance,
    )


def _decoded(source: Source, size: int) -> tuple[np.ndarray, int, int]:
    """Letterboxed pixels, and the original's width and height."""
    if isinstance(source, str | Path):
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise UnreadablePicture(f"{source} cannot be read: {error.strerror}") from error
        return _decoded(data, size)
    if isinstance(source, bytes):
        picture = images.decode(source, size)
        return picture.pixels, picture.width, picture.height
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
            raise UnreadablePicture(
                f"samples must be uint8 of shape (h, w, 3), got {source.dtype} of shape "
                f"{source.shape}"
            )
        source = Image.fromarray(source)
    if min(source.size) < 1:
        raise UnreadablePicture(f"the picture has no pixels: {source.width} x {source.height}")
    return images.letterbox(images.to_rgb(source), size), source.width, source.height
