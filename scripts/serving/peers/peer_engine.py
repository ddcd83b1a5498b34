"""What the peers are given: the same network, and Pillow's fast way to decode."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

import model
from model import images
from model.encoder import Encoder

Decode = Callable[[bytes], np.ndarray]


def options(*names: str) -> argparse.Namespace:
    """``--port``, ``--engine``, ``--timeout`` and what else a peer is told, whole numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--engine", choices=("onnxruntime", "torch"), default="onnxruntime")
    parser.add_argument("--timeout", type=float, default=30.0)
    parser.add_argument("--decode", choices=tuple(DECODINGS), default="pillow")
    for name in names:
        parser.add_argument(f"--{name}", type=int, default=1)
    return parser.parse_args()


def encoder(engine: str) -> Encoder:
    """The released network, by ONNX Runtime as the service runs it or by eager torch; one thread
    for a pass in both."""
    if engine == "torch":
        import torch

        torch.set_num_threads(1)
        return model.load(device="cpu", engine="torch").encoder
    return model.load(device="cpu", engine="onnxruntime", precision="auto").encoder


def reduced(image: Image.Image) -> np.ndarray:
    """The encoder's pixels of a picture that Pillow has opened and not read yet."""
    image.draft("RGB", (448, 448))
    small = image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(small)


def _pillow(data: bytes) -> np.ndarray:
    return reduced(Image.open(io.BytesIO(data)))


def _ours(data: bytes) -> np.ndarray:
    return images.decode(data, 224).pixels


DECODINGS: dict[str, Decode] = {"pillow": _pillow, "ours": _ours}
