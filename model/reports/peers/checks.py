"""A peer: cleanvision's checks of a picture (too dark, too light, little information, ...).

It looks for pictures that are bad, which a stand-in is not; but stand-ins are flat, and flat
pictures have little information. Its scores, 0 (bad) to 1, are weighed by a logistic regression
that is fitted to the training split: the best that can be made of them without a support set.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from model.reports.peers.packages import load, version_of

_PACKAGE = "cleanvision"
# Its issue types that look at one picture alone.
CHECKS = ("dark", "light", "odd_aspect_ratio", "low_information", "blurry", "grayscale")


class CheckReader:
    """Scores of one picture, one for each check.

    Raises:
        PeerMissing: cleanvision is not installed.
    """

    def __init__(self) -> None:
        self._version = version_of(_PACKAGE)

    @property
    def key(self) -> str:
        return f"{_PACKAGE} {self._version} {' '.join(CHECKS)}"

    @cached_property
    def _manager(self) -> Any:
        module = "cleanvision.issue_managers.image_property_issue_manager"
        return load(module, _PACKAGE).ImagePropertyIssueManager()

    def read(self, picture: Image.Image) -> list[float]:
        """0 (bad) to 1, in the order of ``CHECKS``."""
        frame = load("pandas", "pandas").DataFrame
        found = []
        for check in CHECKS:
            measure = self._manager.image_properties[check]
            raw = frame([measure.calculate(picture)])
            options = {k: v for k, v in self._manager.params[check].items() if k != "threshold"}
            scores = measure.get_scores(raw_scores=raw, issue_type=check, **options)
            found.append(float(scores.iloc[0, 0]))
        return found

    def row(self, seen: Any) -> Float[np.ndarray, " f"]:
        """The scores as they are."""
        return np.array(seen, dtype=np.float32)
