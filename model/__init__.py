"""The science of Standin: find the pictures that stand in for a picture nobody has.

Imports no web framework, opens no socket, knows no tenant::

    import model

    m = model.load()
    m.adapt({"placeholder": [...], "real": [...]}).score(pictures)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from model.errors import (
    DeviceError,
    PictureError,
    PictureTooLarge,
    StandinError,
    SupportError,
    UnreadablePicture,
    WeightsError,
)

if TYPE_CHECKING:
    from model.card import Card
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

# Imported when they are first asked for: what only decodes pictures (``model.images``,
# ``model.look``) needs neither networks nor learners.
_LATER = {
    "Adapted": "model.facade",
    "Card": "model.card",
    "Model": "model.facade",
    "load": "model.facade",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_LATER[name]), name)
    return found
