"""The science of Standin: find the pictures that stand in for a picture nobody has.

Imports no web framework, opens no socket, knows no tenant::

    import model

    m = model.load()
    m.adapt({"placeholder": [...], "real": [...]}).score(pictures)
"""

import model.torchvision_ops  # noqa: F401  before anything that imports timm
from model.card import Card
from model.errors import (
    DeviceError,
    PictureError,
    PictureTooLarge,
    StandinError,
    SupportError,
    UnreadablePicture,
    WeightsError,
)
from model.facade import Adapted, Model, load

__all__ = [
    "Adapted",
    "Card",
    "DeviceError",
    "Model",
    "PictureError",
    "PictureTooLarge",
    "StandinError",
    "SupportError",
    "UnreadablePicture",
    "WeightsError",
    "load",
]
