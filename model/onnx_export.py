"""From a torch module to a graph without weights, for ``model.onnx_engine``.

The graph is written by torch's exporter and its constants are folded; normalisation stays a node
of its own, so that every weight in the graph is a tensor of the release, by its name. Weights are
then marked as lying elsewhere. What a graph answers is compared with torch before it is kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model.encoder import MEAN, STD, Encoder, EncoderNet
from model.errors import WeightsError
from model.experts.words import GREY, SIZE, Reader, load_reader, load_reader_card, write_reader_card
from model.onnx_engine import OnnxReader, open_graph
from model.weights import load_card, load_weights, part, restore_encoder


class EncoderGraph(nn.Module):
    """Pixels as they are decoded to embeddings."""

    def __init__(self, net: EncoderNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, size, size, 3) uint8 to rows (n, d) of unit length."""
        x = pixels.permute(0, 3, 1, 2).float() / (255.0 * STD) - MEAN / STD
        found: Tensor = self.net(x)
        return found


class ReaderGraph(nn.Module):
    """Pixels as they are decoded to what a reading holds, in its order."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.net = reader

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(n, size, size, 3) uint8 to signal, says_none, lettering and place."""
        # As to_grey reckons it, written out: a product with a vector of three is slow there.
        red, green, blue = (pixels[..., i].float() * (GREY[i] / 255) for i in range(3))
        reading, _ = self.net.read_grey(red + green + blue)
        return reading.signal, reading.says_none, reading.lettering, reading.place


def export(
    module: EncoderGraph | ReaderGraph, size: int, outputs: Sequence[str], any_side: bool = False
) -> bytes:
    """An ONNX file of the module, for any number of pictures, without its weights.

    Args:
        size: side of the pictures.
        outputs: names.
        any_side: let it take squares of other sides, too; see :func:`allow_any_side`.
    Raises:
        ModuleNotFoundError: onnx or onnxscript is not installed (``pip install standin[train]``).
    """
    from onnxscript import optimizer

    example = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        # Of the exporter's own internals.
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            module.eval(),
            (example,),
            dynamo=True,
            input_names=["pixels"],
            output_names=list(outputs),
            dynamic_shapes={"pixels": {0: torch.export.Dim("n", min=1, max=4096)}},
            optimize=False,
            verbose=False,
        )
        # Weights stay what they are in the release: the runtime folds what is made of them.
        optimizer.fold_constants(program.model, input_size_limit=_FOLDED)
        optimizer.remove_unused_nodes(program.model)
    graph = program.model_proto
    if any_side:
        allow_any_side(graph)
    weights = {f"net.{name}" for name in module.net.state_dict()}
    renamed = {name: name.removeprefix("net.") for name in weights}
    for tensor in graph.graph.initializer:
        if tensor.name in weights:
            shape, kind = list(tensor.dims), tensor.data_type
            name = renamed[tensor.name]
            tensor.Clear()
            tensor.name, tensor.data_type = name, kind
            tensor.dims.extend(shape)
            lies_elsewhere(tensor)
    for node in graph.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    return serialised(graph)


def allow_any_side(graph: Any) -> None:
    """Let a network of convolutions and one pooling over all places take other squares.

    Nothing in it depends on the side but how much it pads where it halves, which is the same as
    long as every halving comes out even: for multiples of 32.
    """
    height, width = graph.graph.input[0].type.tensor_type.shape.dim[1:3]
    height.dim_param = width.dim_param = "side"


def lies_elsewhere(tensor: Any) -> None:
    """Mark a graph's tensor, whose values are taken away, as given when the graph is opened."""
    import onnx

    tensor.data_location = onnx.TensorProto.EXTERNAL
    where = tensor.external_data.add()
    where.key, where.value = "location", "weights"


def serialised(graph: Any) -> bytes:
    """A graph's file, the same for the same graph, without what only its making needed."""
    for node in graph.graph.node:
        # Whence in the source each node came: half of the file, and paths of this machine.
        del node.metadata_props[:]
        node.doc_string = ""
    del graph.graph.value_info[:]
    del graph.graph.metadata_props[:]
    del graph.metadata_props[:]
    data: bytes = graph.SerializeToString(deterministic=True)
    return data


_FOLDED = 1024  # numbers
_OTHER_SIDE = 128  # that a graph must answer alike, too
# Between two orders of adding the same numbers in single precision; measured: 5e-7 and 2e-6.
TOLERANCE = 1e-4


def encoder_graph(card_path: Path) -> Path:
    """Write the graph of a release's encoder beside its card.

    Raises:
        WeightsError: the release cannot be loaded, or the graph answers otherwise.
    """
    card, tensors = load_weights(card_path)
    net = restore_encoder(card, tensors).eval()
    data = export(EncoderGraph(net), card.image_size, ["embedding"], any_side=True)
    sides = (card.image_size, _OTHER_SIDE)
    pixels = [_pixels(side) for side in sides]
    expected = [Encoder(net, side).embed(each) for side, each in zip(sides, pixels, strict=True)]

    def answers(path: Path, sha256: str) -> list[np.ndarray]:
        session = open_graph(path, sha256, part(tensors, "encoder."))
        return [session.run(None, {"pixels": each})[0] for each in pixels]

    name = f"{card.name}.onnx"
    sha256 = _checked(data, name, answers, expected)
    written = dataclasses.replace(load_card(card_path), graph=name, graph_sha256=sha256)
    card_path.with_name(name).write_bytes(data)
    card_path.write_text(written.to_json(), encoding="utf-8")
    return card_path.with_name(name)


def reader_graph(card_path: Path) -> Path:
    """Write the graph of a reader beside its card.

    Raises:
        WeightsError: the reader cannot be loaded, or the graph answers otherwise.
    """
    reader, card = load_reader(card_path), load_reader_card(card_path)
    pixels = torch.from_numpy(_pixels(SIZE))
    expected = _values(reader.read(pixels))  # before it is exported: what it keeps is a constant
    data = export(ReaderGraph(reader), SIZE, ["signal", "says_none", "lettering", "place"])

    def answers(path: Path, sha256: str) -> list[np.ndarray]:
        return _values(OnnxReader(open_graph(path, sha256, reader.state_dict())).read(pixels))

    name = f"{card.name}.onnx"
    sha256 = _checked(data, name, answers, expected)
    card_path.with_name(name).write_bytes(data)
    write_reader_card(card_path, dataclasses.replace(card, graph=name, graph_sha256=sha256))
    return card_path.with_name(name)


def _checked(
    data: bytes,
    name: str,
    answers: Callable[[Path, str], list[np.ndarray]],
    expected: list[np.ndarray],
) -> str:
    """SHA-256 of a graph that answers as torch does.

    Raises:
        WeightsError: it does not.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        found = answers(path, sha256)
    apart = max(
        float(np.abs(one - other).max()) for one, other in zip(found, expected, strict=True)
    )
    if not apart < TOLERANCE:
        raise WeightsError(f"{name} answers otherwise than torch, by up to {apart:.2g}")
    return sha256


def _pixels(size: int) -> np.ndarray:
    """Noise, flat colour and an edge: three pictures, so that the batch is not the exporter's."""
    found = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    found[1] = 200
    found[2, :, size // 2 :] = 30
    return found


def _values(reading: Any) -> list[np.ndarray]:
    fields = (getattr(reading, each.name) for each in dataclasses.fields(reading))
    return [value.numpy() for value in fields if isinstance(value, Tensor)]


__all__ = [
    "EncoderGraph",
    "ReaderGraph",
    "allow_any_side",
    "encoder_graph",
    "export",
    "lies_elsewhere",
    "reader_graph",
    "serialised",
]
