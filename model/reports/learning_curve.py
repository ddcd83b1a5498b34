"""What learning curves are made of: their points, the figures, and shares of the training views.

Less data means fewer names: groups of real stand-ins, categories of products, families of drawn
pictures. A smaller share is a part of every larger one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from model.errors import MetricError
from model.training.sources import ViewLabel

Axis = Literal["data", "tasks", "size"]
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
DIMS = (64, 128, 256)
_THUMBNAIL = "thumbnail "


@dataclass(frozen=True)
class Bar:
    """A figure, and what it should reach.

    Attributes:
        sort: of the tasks; "zero_shot" is no task, but all held-out pictures.
        shots: pictures of each label.
    """

    sort: Literal["ordinary", "turning", "zero_shot"]
    metric: Literal["auroc", "accuracy"]
    shots: int
    wanted: float

    @property
    def name(self) -> str:
        """For JSON and for arrays."""
        return f"{self.sort} {self.metric} {self.shots}"

    @property
    def title(self) -> str:
        """For people."""
        metric = {"auroc": "AUROC", "accuracy": "accuracy"}[self.metric]
        if self.sort == "zero_shot":
            return f"zero-shot {metric}"
        return f"{self.sort}, {metric}, K = {self.shots}"


BARS = (
    Bar("turning", "auroc", 1, 0.88),
    Bar("turning", "auroc", 5, 0.95),
    Bar("turning", "auroc", 10, 0.97),
    Bar("ordinary", "accuracy", 1, 0.98),
    Bar("ordinary", "accuracy", 5, 0.99),
    Bar("zero_shot", "auroc", 0, 0.999),
)


@dataclass(frozen=True)
class Point:
    """One outer loop.

    Attributes:
        data: share of the names. tasks: share of the outer steps. dim: of the embedding.
        repeat: which choice of names; with all of them there is only one.
    """

    data: float
    tasks: float
    dim: int
    repeat: int = 0

    @property
    def name(self) -> str:
        """Unique, and fit for a file name."""
        return f"data{self.data:g}-tasks{self.tasks:g}-dim{self.dim}-repeat{self.repeat}"


def points(dim: int, repeats: int) -> dict[Axis, list[Point]]:
    """What each curve is made of, the whole last; it is the same point on every curve.

    Args:
        dim: of the released embedding.
        repeats: choices of names at each share of the data.
    """
    whole = Point(1.0, 1.0, dim)
    return {
        "data": [*(Point(s, 1.0, dim, r) for s in SHARES for r in range(repeats)), whole],
        "tasks": [*(Point(1.0, s, dim) for s in SHARES), whole],
        "size": [*(Point(1.0, 1.0, d) for d in DIMS if d < dim), whole],
    }


@dataclass(frozen=True, eq=False)
class TrainingViews:
    """What is learned from.

    Attributes:
        features: pooled, shape (n, f). labels: of the same views, none for validation.
        names: of the same views: the stratum and the name by which it is kept or left out.
    """

    features: Float[Tensor, "n f"]
    labels: Sequence[ViewLabel]
    names: Sequence[tuple[str, str]]


def training_views(
    labels: Sequence[ViewLabel],
    features: Float[Tensor, "n f"],
    groups: Sequence[str],
    per_standin: int,
) -> TrainingViews:
    """The views that may be trained on, each with its name.

    Products go by category and drawn pictures by family. A real stand-in's view does not tell its
    group, but views lie in the order of the manifests. The few thumbnails behind them come from
    pictures drawn at random; each has a name of its own.

    Args:
        groups: of the real stand-ins that are not held out, in the order of the manifests.
        per_standin: views of each of them.

    Raises:
        MetricError: the views have fewer real stand-ins than the manifests.
    """
    kept = [i for i, label in enumerate(labels) if label.role != "validation"]
    names: list[tuple[str, str]] = []
    found = 0
    for i in kept:
        label = labels[i]
        if label.drawn or not label.is_standin:
            stratum = f"{'drawn ' if label.drawn else ''}{'kinds' if label.is_standin else 'goods'}"
            names.append((stratum, label.fine))
            continue
        at = found // per_standin
        names.append(("stand-ins", groups[at] if at < len(groups) else f"{_THUMBNAIL}{found}"))
        found += 1
    if found < len(groups) * per_standin:
        raise MetricError(
            f"{len(groups)} stand-ins with {per_standin} views each were to be found, and there "
            f"are {found} views of stand-ins: the views are of other folders, or configuration"
        )
    return TrainingViews(features[kept], [labels[i] for i in kept], names)


def subset(views: TrainingViews, share: float, repeat: int) -> TrainingViews:
    """A share of the names of each stratum, at least one; a smaller share is part of a larger one.

    A name's place is the SHA-256 of repeat, stratum and name: the same everywhere.

    Args:
        share: in (0, 1].
    """
    strata: dict[str, set[str]] = {}
    for stratum, name in views.names:
        strata.setdefault(stratum, set()).add(name)
    chosen: set[tuple[str, str]] = set()
    for stratum, members in strata.items():
        order = sorted(members, key=lambda n, s=stratum: _place(repeat, s, n))  # type: ignore[misc]
        chosen |= {(stratum, name) for name in order[: max(1, round(share * len(order)))]}
    at = [i for i, name in enumerate(views.names) if name in chosen]
    return TrainingViews(
        views.features[at], [views.labels[i] for i in at], [views.names[i] for i in at]
    )


def count_names(views: TrainingViews) -> int:
    """Groups, categories and families, thumbnails not counted."""
    return len({name for name in views.names if not name[1].startswith(_THUMBNAIL)})


def _place(repeat: int, stratum: str, name: str) -> bytes:
    return hashlib.sha256(f"{repeat}:{stratum}:{name}".encode()).digest()


def in_turn(plan: Mapping[Axis, Sequence[Point]]) -> list[Point]:
    """Every point once, the whole first, then the ends and the middle of each curve, then the rest.

    So that a run that is cut short has measured something of every curve.
    """
    last = {axis: each[-1] for axis, each in plan.items()}
    found = list(last.values())
    for start, step in ((0, 2), (1, 2)):
        for axis, each in plan.items():
            found += [point for point in each[start::step] if point != last[axis]]
    return list(dict.fromkeys(found))
