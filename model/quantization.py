"""The encoder's graph in whole numbers of 8 bits, for processors that multiply them faster.

Quantisation after training (Jacob et al. 2018, arXiv:1712.05877; Nagel et al. 2021,
arXiv:2106.08295): weights in 8 bits with a scale for each output channel, activations in 8 bits
with a scale and a zero point for each tensor, by the range that they have on calibration pictures
without the outermost hundred thousandth. What the default recipe loses is lost in few places,
which stay in single precision: the stem and the first two blocks, whose channels differ most in
range and where a picture's faint structure is (the first three convolutions alone cost more than
the other 46 together), and the projection, whose output is the embedding.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from safetensors.numpy import save
from torch import Tensor

from model.card import Card
from model.errors import WeightsError
from model.onnx_engine import INT8_SHARED, open_graph, open_int8
from model.onnx_export import lies_elsewhere, serialised
from model.weights import load_weights, part

SINGLE = 6
"""Convolutions, from the first on, that stay in single precision: stem and first two blocks."""
# Cosines to single precision that a release must keep, in the mean and at least, on pictures that
# were not calibrated with. Measured when it was released: 0.999 and 0.997.
MEAN, LEAST = 0.998, 0.985
_SMALL = 512  # bytes


def int8_graph(card_path: Path, pixels: UInt8[np.ndarray, "n size size 3"]) -> tuple[Path, str]:
    """Write a release's graph in 8 bits beside its card, which must name its graph in single
    precision (``model.onnx_export``).

    Args:
        pixels: decoded pictures of both labels, that the release was trained on; every other one
            is calibrated with, the rest is compared on. 250 take 8 GiB and a minute.
    Returns:
        The graph, and what was found in words.
    Raises:
        WeightsError: the release has no graph or cannot be loaded, or the embeddings in 8 bits are
            too far from those in single precision.
        ModuleNotFoundError: onnx is not installed (``pip install standin[train]``).
    """
    card, tensors = load_weights(card_path)
    if not card.graph:
        raise WeightsError(f"{card.name} has no graph yet: python scripts/export_onnx.py writes it")
    weights = part(tensors, "encoder.")
    graph = card_path.with_name(card.graph)
    single = open_graph(graph, card.graph_sha256, weights)
    data, own = quantised(graph.read_bytes(), weights, pixels[::2])
    written = dataclasses.replace(
        card,
        int8_graph=f"{card.name}.int8.onnx",
        int8_graph_sha256=hashlib.sha256(data).hexdigest(),
        int8_weights=f"{card.name}.int8.safetensors",
        int8_weights_sha256=hashlib.sha256(own).hexdigest(),
    )
    with tempfile.TemporaryDirectory() as folder:
        _write(there := Path(folder) / card_path.name, written, data, own)
        bytewise = open_int8(there, written, weights)
    apart = [
        float((one * other).sum())
        for picture in pixels[1::2]
        for one, other in [[s.run(None, {"pixels": picture[None]})[0] for s in (single, bytewise)]]
    ]
    mean, least = float(np.mean(apart)), min(apart)
    said = f"cosine to single precision {mean:.4f} in the mean, {least:.4f} at least"
    if not (mean >= MEAN and least >= LEAST):
        raise WeightsError(
            f"{written.int8_graph} is too far from the weights: {said}, of {len(apart)} pictures"
        )
    _write(card_path, written, data, own)
    return card_path.with_name(written.int8_graph), f"{said}, of {len(apart)} pictures"


def _write(card_path: Path, card: Card, graph: bytes, weights: bytes) -> None:
    card_path.with_name(card.int8_graph).write_bytes(graph)
    card_path.with_name(card.int8_weights).write_bytes(weights)
    card_path.write_text(card.to_json(), encoding="utf-8")


def quantised(
    graph: bytes, weights: Mapping[str, Tensor], pixels: UInt8[np.ndarray, "n size size 3"]
) -> tuple[bytes, bytes]:
    """A graph in 8 bits, calibrated on pictures, and its weights as safetensors.

    Args:
        graph: as :func:`model.onnx_export.export` writes it.
        weights: by the names that it gives them.
    Returns:
        The graph, and those of its weights that are not among ``INT8_SHARED``.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        whole, folded, small = (Path(folder) / f"{name}.onnx" for name in ("a", "b", "c"))
        onnx.save(_with_weights(onnx.load_from_string(graph), weights), whole)
        # Folds normalisation into the convolutions before the ranges of either are taken.
        quant_pre_process(str(whole), str(folded), skip_symbolic_shape=True)
        nodes = onnx.load(folded).graph.node
        convolutions = [i for i, node in enumerate(nodes) if node.op_type == "Conv"]
        begins = convolutions[SINGLE] if len(convolutions) > SINGLE else len(nodes)
        quantization.quantize_static(
            str(folded),
            str(small),
            _Pictures(pixels),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Clip", "Add"],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=[node.name for node in nodes[:begins]],
            calibrate_method=quantization.CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": 99.999},
        )
        found = onnx.load(small)
    own: dict[str, np.ndarray] = {}
    for tensor in found.graph.initializer:
        if len(tensor.raw_data) < _SMALL or tensor.data_type == onnx.TensorProto.INT64:
            continue  # constants that the runtime wants to see in the graph
        if tensor.name not in INT8_SHARED:
            own[tensor.name] = onnx.numpy_helper.to_array(tensor)
        tensor.ClearField("raw_data")
        lies_elsewhere(tensor)
    return serialised(found), save(own)


def _with_weights(graph: Any, weights: Mapping[str, Tensor]) -> Any:
    import onnx

    for tensor in graph.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            del tensor.external_data[:]
            tensor.data_location = onnx.TensorProto.DEFAULT
            tensor.raw_data = weights[tensor.name].float().numpy().tobytes()
    return graph


class _Pictures:
    """Two at a time, as the runtime's calibration reads them: until None."""

    def __init__(self, pixels: UInt8[np.ndarray, "n size size 3"]) -> None:
        self._batches = iter([pixels[at : at + 2] for at in range(0, len(pixels), 2)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """What goes into the next pass, by the graph's inputs."""
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}


__all__ = ["int8_graph", "quantised"]
