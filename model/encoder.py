"""Pixels to embeddings. Never sees a label.

A timm backbone, global average pooling, a linear projection, rows of unit length.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from model.errors import DeviceError, SupportError
from model.resizing import shrunk

MEAN = STD = 0.5
"""Pixels are scaled to -1..1, as the ImageNet weights of the ``tf_`` backbones expect."""

# Several processes may share the machine's cores, and a larger batch gains nothing on a CPU;
# a GPU wants its many cores filled.
_BATCH = {"cpu": 16, "cuda": 256}


class EncoderNet(nn.Module):
    """Backbone, pooling, projection, rows of unit length.

    Submodules: ``backbone`` (timm, without a classifier) and ``projection`` (Linear with bias, or
    Identity where no projection was asked for).

    Args:
        backbone: a name that timm knows, such as ``tf_efficientnet_lite0``.
        dim: width of the embedding; None or 0 leaves the pooled features unprojected.
    """

    def __init__(self, backbone: str, dim: int | None = None) -> None:
        super().__init__()
        # Here and not at the top: timm takes seconds to import, and reading a picture or a
        # model card needs none of it.
        import model.torchvision_ops  # noqa: F401  before timm
        import timm  # isort: skip

        self.name = backbone
        self.backbone: nn.Module = timm.create_model(backbone, pretrained=False, num_classes=0)
        self.features = int(cast(int, self.backbone.num_features))
        self.dim = dim or self.features
        self.projection: nn.Module = nn.Linear(self.features, dim) if dim else nn.Identity()

    def pooled(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n f"]:
        """Average-pooled features of the backbone, before the projection (1280 for lite0)."""
        backbone = cast("_Backbone", self.backbone)
        return backbone.forward_head(backbone.forward_features(x), pre_logits=True)

    def embed_pooled(self, pooled: Float[Tensor, "n f"]) -> Float[Tensor, "n d"]:
        """Scale pooled features to unit length, project them, and scale again."""
        # In single precision even under autocast: half loses a third of the digits here.
        with torch.autocast(pooled.device.type, enabled=False):
            projected: Tensor = self.projection(nn.functional.normalize(pooled.float(), dim=1))
        return nn.functional.normalize(projected, dim=1)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Embed normalised pixels (see :func:`normalise`): rows of unit length."""
        return self.embed_pooled(self.pooled(x))

    def stages(self) -> nn.Sequential:
        """The backbone's blocks, in order (7 for EfficientNet).

        Raises:
            SupportError: this backbone is not of the EfficientNet family and cannot be split.
        """
        blocks = getattr(self.backbone, "blocks", None)
        if not isinstance(blocks, nn.Sequential) or not hasattr(self.backbone, "conv_stem"):
            raise SupportError(
                f"{self.name} cannot be split into trunk and upper part: only backbones of the "
                "EfficientNet family can"
            )
        return blocks

    def trunk(self, x: Float[Tensor, "n 3 h w"], blocks: int) -> Float[Tensor, "n c hh ww"]:
        """Run the stem and the first ``blocks`` stages; what can be cached while they are frozen.

        ``upper(trunk(x, k), k)`` equals ``forward(x)`` for every k.
        """
        stages = self._split(blocks)
        h: Tensor = self.backbone.get_submodule("conv_stem")(x)
        h = self.backbone.get_submodule("bn1")(h)
        for stage in list(stages)[:blocks]:
            h = stage(h)
        return h

    def upper(self, h: Float[Tensor, "n c hh ww"], blocks: int) -> Float[Tensor, "n d"]:
        """Run what :meth:`trunk` left out: the other stages, pooling, projection."""
        return self.embed_pooled(self.upper_pooled(h, blocks))

    def upper_pooled(self, h: Float[Tensor, "n c hh ww"], blocks: int) -> Float[Tensor, "n f"]:
        """As :meth:`upper`, up to the pooled features."""
        for stage in list(self._split(blocks))[blocks:]:
            h = stage(h)
        h = self.backbone.get_submodule("conv_head")(h)
        h = self.backbone.get_submodule("bn2")(h)
        return cast("_Backbone", self.backbone).forward_head(h, pre_logits=True)

    def _split(self, blocks: int) -> nn.Sequential:
        stages = self.stages()
        if not 0 <= blocks <= len(stages):
            raise SupportError(
                f"{self.name} has {len(stages)} blocks, so it cannot be split after {blocks}"
            )
        return stages


class _Backbone(Protocol):
    """What is used of a timm model, for the type checker."""

    def forward_features(self, x: Tensor) -> Tensor: ...

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor: ...


def build(backbone: str, dim: int | None = None) -> EncoderNet:
    """Make an encoder with random weights; see :class:`EncoderNet`."""
    return EncoderNet(backbone, dim)


def normalise(pixels: UInt8[Tensor, "n h w 3"]) -> Float32[Tensor, "n 3 h w"]:
    """Turn pixels into what the backbone takes: -1..1, channels second, stored channels last."""
    # permute keeps the memory as it lies, which is torch's channels_last.
    return pixels.permute(0, 3, 1, 2).float().div_(255.0 * STD).sub_(MEAN / STD)


def choose_device(name: str = "auto") -> torch.device:
    """Pick a device: ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        DeviceError: not a device's name, or this machine does not have it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"{name!r} is no device; known are auto, cpu and cuda") from error
    if device.type not in _BATCH:
        raise DeviceError(f"device {name!r} is not supported; known are auto, cpu and cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device {name!r} was asked for, and this machine has "
            f"{torch.cuda.device_count()} CUDA devices that torch can use"
        )
    return device


class Encoder:
    """An encoder that is ready to serve: pixels in, embeddings out, no gradients.

    On the CPU it runs in single precision; on CUDA in half precision (autocast), stored channels
    last. Between the two, and between batch sizes, an embedding keeps a cosine above 0.999 with
    itself (tests/model/test_encoder.py).

    May be called from several threads at once.

    Attributes:
        backbone: timm's name.
        image_size: side of the pixels it takes.
        dim: width of the embedding.
        device: where it runs.
        precision: ``fp32``, ``fp16``, or ``int8`` (``model.quantization``).
        engine: ``torch``, or ``onnxruntime`` (``model.onnx_engine``).
    """

    def __init__(
        self, net: EncoderNet, image_size: int = 224, device: torch.device | None = None
    ) -> None:
        self.backbone = net.name
        self.image_size = image_size
        self.dim = net.dim
        self.device = device or torch.device("cpu")
        self.precision = "fp16" if self.device.type == "cuda" else "fp32"
        self.at_once = _BATCH[self.device.type]
        self.engine = "torch"
        self._net: EncoderNet = net.eval().requires_grad_(False)
        cast(Any, self._net).to(self.device, memory_format=torch.channels_last)

    @property
    def net(self) -> EncoderNet:
        """The network itself, for those who take it apart."""
        return self._net

    def embed(self, pixels: np.ndarray | Sequence[np.ndarray]) -> Float32[np.ndarray, "n d"]:
        """Embed pictures, in batches that suit the device.

        Args:
            pixels: shape (n, size, size, 3), uint8, as :func:`model.images.decode` gives; n may
                be 0.

        Returns:
            Rows of unit length, shape (n, dim).

        Raises:
            SupportError: another shape or type.
        """
        return self._embed(pixels, self.image_size)

    def embed_smaller(
        self, pixels: np.ndarray | Sequence[np.ndarray], side: int
    ) -> Float32[np.ndarray, "n d"]:
        """The same network over fewer pixels (``model.experts.glance``).

        Args:
            pixels: as :meth:`embed` takes them; shrunk here.
            side: of the square that the network is given, a multiple of 32, and more than a
                quarter of the encoder's.
        Raises:
            SupportError: another shape or type.
        """
        whole = self._checked(pixels, self.image_size)
        return self._embed(shrunk(whole, side) if len(whole) else whole, side)

    def _embed(self, pixels: np.ndarray | Sequence[np.ndarray], side: int) -> np.ndarray:
        if len(pixels) == 0:
            return np.zeros((0, self.dim), dtype=np.float32)
        array = self._checked(pixels, side)
        # Of smaller ones more stay in a core's cache.
        size = self.at_once if side == self.image_size else 4 * self.at_once
        rows = [self._batch(array[at : at + size]) for at in range(0, len(array), size)]
        return np.concatenate(rows)

    def _checked(self, pixels: np.ndarray | Sequence[np.ndarray], side: int) -> np.ndarray:
        array = np.asarray(pixels)
        if len(array) == 0:
            return array
        expected = (len(array), side, side, 3)
        if array.shape != expected or array.dtype != np.uint8:
            raise SupportError(
                f"the encoder takes uint8 pixels of shape {expected}, got {array.dtype} of shape "
                f"{array.shape}"
            )
        return array

    @torch.inference_mode()
    def _batch(self, array: np.ndarray) -> np.ndarray:
        x = normalise(torch.from_numpy(np.ascontiguousarray(array)).to(self.device))
        half = self.precision == "fp16"
        with torch.autocast("cuda", torch.float16) if half else contextlib.nullcontext():
            return cast(np.ndarray, self._net(x).float().cpu().numpy())
