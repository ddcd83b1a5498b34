"""Lets timm be imported where torchvision's compiled operators do not load.

timm imports torchvision, for two classes that need no compiled operator. At import torchvision
registers shape rules for its operators ``nms`` and ``qnms``, and fails if these were never
declared: that happens when its extension was built for another torch (the CUDA wheel of
torchvision beside the CPU wheel of torch, which is what the package index gives by default).
Declaring the two is enough. Importing this module does it, and nothing where the extension loads.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch.library import Library

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def _extension_loads() -> bool:
    """Load torchvision's extension if it fits this torch, without importing torchvision."""
    spec = importlib.util.find_spec("torchvision")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for library in Path(folder).glob("_C*"):
            if library.suffix not in (".so", ".pyd", ".dylib"):
                continue
            try:
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
            except OSError:
                continue
            return True
    return False


def declare_missing() -> Library | None:
    """Declare the operators that torchvision's import expects.

    Returns:
        The holder of the declarations, which last as long as it does; None where the extension
        brings the operators itself.
    """
    # Declaring first would make the extension's own declaration fail, hence this order.
    if _extension_loads():
        return None
    library = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)  # type: ignore[no-untyped-call]
    return library


_DECLARED = declare_missing()
