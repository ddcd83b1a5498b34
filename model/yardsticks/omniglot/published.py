"""Other people's errors on the 20 runs, with where each was read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One published error.

    Attributes:
        who: method, or people.
        percent: of the 400 trials.
        background: "full" (30 alphabets), "minimal" (five; mean of both sets) or "none".
        source: the publication.
        confirmed: whether it was checked in the publication or its authors' code. Where not, it is
            quoted from what others say of it, and the table says so.
    """

    who: str
    percent: float
    background: str
    source: str
    confirmed: bool


_LAKE_2015 = "Lake et al. 2015, Science 350:1332"
_KOCH_2015 = "Koch et al. 2015, as quoted by Lake et al. 2015"
_LAKE_2019 = "Lake et al. 2019, arXiv:1902.03477, table 1"
_DEMO = "the authors' demo_classification.py, which comes with the runs"

PUBLISHED = (
    Published("Bayesian program learning", 4.2, "minimal", _LAKE_2019, False),
    Published("Plain convolutional network", 23.2, "minimal", _LAKE_2019, False),
    Published("Prototypical network", 30.1, "minimal", _LAKE_2019, False),
    Published("People", 4.5, "full", _LAKE_2015, False),
    Published("Bayesian program learning", 3.3, "full", _LAKE_2015, False),
    Published("Siamese network", 8.0, "full", _KOCH_2015, False),
    Published("Plain convolutional network", 13.5, "full", _LAKE_2015, False),
    Published("Prototypical network", 13.7, "full", _LAKE_2019, False),
    Published("Modified Hausdorff distance", 38.8, "none", _DEMO, True),
)

BESIDE = {
    "convnet": "Plain convolutional network",
    "siamese": "Siamese network",
    "prototypical": "Prototypical network",
}
"""The publication that stands beside a learner of ours, where there is one."""


def beside(learner: str, background: str) -> Published | None:
    """The published error of a learner after that background, if there is one."""
    who = BESIDE.get(learner)
    found = [p for p in PUBLISHED if p.who == who and p.background == background]
    return found[0] if found else None
