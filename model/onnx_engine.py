"""ONNX Runtime, which runs the networks on a CPU at a half to a third of eager torch's time.

A release's graph (``name.onnx``) holds operations and no weights: those come from the one
safetensors file that torch reads, too, so there is one set of numbers and one checksum of them.
Batch normalisation is folded into the convolutions by the runtime when it loads. Beside it may lie
the same graph in 8 bits (``name.int8.onnx``, ``model.quantization``), with most weights its own.

Nothing here uses more than one thread for a pass: the service runs as many passes side by side as
there are cores, which is faster than sharing one pass among them, and steadier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from model.card import Card
from model.encoder import Encoder, EncoderNet
from model.errors import WeightsError
from model.experts.words import SIGNAL, Reading, check_pixels
from model.weights import load_int8

INT8_SHARED = ("projection.weight",)
"""What a graph in 8 bits has from the weights in single precision: most of what it does not turn
into bytes."""
_READ_AT_ONCE = 4
"""Pictures that the reader takes at a time: sixteen take as long each, and 27 MiB more."""


def open_graph(
    path: Path, sha256: str, tensors: Mapping[str, Tensor]
) -> onnxruntime.InferenceSession:
    """Load a graph and give it its weights.

    Args:
        sha256: of the file, as the card has it.
        tensors: by the names that the graph gives its weights. Whole numbers of 64 bits, which
            only training counts with, are left.
    Raises:
        WeightsError: the file is missing or not that one, or a weight is missing.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{path.name} is not the graph that the card describes: its SHA-256 is {found}, the "
            f"card says {sha256}. Was it changed, or copied in part?"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    given = {
        name: np.ascontiguousarray((value.float() if value.is_floating_point() else value).numpy())
        for name, value in tensors.items()
        if value.dtype != torch.int64
    }
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in given.values()]
    options.add_external_initializers(list(given), values)
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    # The runtime's own exceptions have no base class but this.
    except Exception as error:
        raise WeightsError(f"{path.name} does not fit its weights: {error}") from error


def open_int8(
    card_path: Path, card: Card, weights: Mapping[str, Tensor]
) -> onnxruntime.InferenceSession:
    """Load a release's graph in 8 bits.

    Args:
        weights: of the release's encoder, some of which it shares.
    Raises:
        WeightsError: a file is missing or not the one that the card describes.
    """
    path, own = card_path.with_name(card.int8_graph), load_int8(card_path, card)
    shared = {name: weights[name] for name in INT8_SHARED if name in weights}
    return open_graph(path, card.int8_graph_sha256, own | shared)


class OnnxEncoder(Encoder):
    """An encoder whose passes ONNX Runtime makes; promises as :class:`~model.encoder.Encoder`'s.

    Args:
        session: of the encoder's graph.
        precision: of that graph, ``fp32`` or ``int8``.
        build: makes the torch network, for those who take it apart; called at the first use.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        build: Callable[[], EncoderNet],
        *,
        backbone: str,
        dim: int,
        image_size: int,
        precision: str = "fp32",
    ) -> None:
        self.backbone = backbone
        self.image_size = image_size
        self.dim = dim
        self.device = torch.device("cpu")
        self.precision = precision
        # So few stay in a core's cache: a picture of two takes 5 % less than one of eight.
        self.at_once = 2
        self.engine = "onnxruntime"
        self._session = session
        self._build = build
        self._built: EncoderNet | None = None

    @property
    def net(self) -> EncoderNet:
        """The network itself, for those who take it apart."""
        if self._built is None:
            self._built = self._build().eval().requires_grad_(False)
        return self._built

    def _batch(self, array: np.ndarray) -> np.ndarray:
        return cast(np.ndarray, self._session.run(None, {"pixels": array})[0])


class OnnxReader:
    """A reader of words whose passes ONNX Runtime makes (``model.experts.words``)."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session

    def read(self, pixels: Tensor) -> Reading:
        """Read pictures; see :meth:`model.experts.words.Reader.read`.

        Raises:
            ValueError: another shape or type.
        """
        check_pixels(pixels)
        if not len(pixels):
            side = [-(-length // 16) for length in pixels.shape[1:3]]
            none = torch.zeros(0)
            return Reading(torch.zeros(0, SIGNAL), none, none, torch.zeros(0, *side))
        given = np.ascontiguousarray(pixels.numpy())
        parts = [
            self._session.run(None, {"pixels": given[first : first + _READ_AT_ONCE]})
            for first in range(0, len(given), _READ_AT_ONCE)
        ]
        return Reading(
            *(torch.from_numpy(np.concatenate(each)) for each in zip(*parts, strict=True))
        )


__all__ = ["INT8_SHARED", "OnnxEncoder", "OnnxReader", "open_graph", "open_int8"]
