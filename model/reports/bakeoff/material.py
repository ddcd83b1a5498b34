"""What learners are meta-trained on: embeddings with labels, the same for all of them.

Either the views that the released weights were trained on (``meta_train``'s work folder keeps
their pooled features), or the training split of the pool that is measured. What the rule of
``model.holdout`` keeps out is in neither.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from model.encoder import EncoderNet
from model.episodes import EpisodeSampler, Shots
from model.errors import EpisodeError, MetricError
from model.holdout import role
from model.reports.pool import Item, Pool
from model.training.sources import ViewLabel

# Of an embedding with the same picture's through another decoder, or from features kept in half
# precision: far above what two different encoders agree on.
_SAME_PICTURE = 0.98
_BATCH = 4096


@dataclass(frozen=True, eq=False)
class Material:
    """Pictures to meta-train on.

    Attributes:
        embeddings: shape (n, d), float32, unit rows.
        labels: of the same pictures, none of them for validation.
    """

    embeddings: Float[Tensor, "n d"]
    labels: Sequence[ViewLabel]

    def digest(self) -> str:
        """Names it by content."""
        found = hashlib.sha256(self.embeddings.numpy().tobytes())
        found.update(repr(list(self.labels)).encode())
        return found.hexdigest()

    def only(self, wanted: str) -> Material:
        """The part with one role: "encoder" (the encoder was fitted to it too) or "learner"."""
        kept = [i for i, label in enumerate(self.labels) if label.role == wanted]
        return Material(self.embeddings[kept], [self.labels[i] for i in kept])

    def first(self, dim: int) -> Material:
        """The same pictures with the first numbers of their embeddings alone; see :func:`first`."""
        return Material(torch.from_numpy(first(self.embeddings.numpy(), dim)), self.labels)

    def parts(self) -> tuple[Material, Material]:
        """For choosing constants: what is fitted to, and what is judged on.

        By the roles where both can give tasks, so that no group, family or category is on both
        sides and the judge is as new to the encoder as a shop will be; else everything is both.
        """
        fitted, judged = self.only("encoder"), self.only("learner")
        possible = all(part._gives_tasks() for part in (fitted, judged))
        return (fitted, judged) if possible else (self, self)

    def _gives_tasks(self) -> bool:
        try:
            sampler = EpisodeSampler([label.traits for label in self.labels])
        except EpisodeError:  # a label is missing
            return False
        return bool(sampler.subjects("ordinary", Shots(0, 0)))


def first(rows: Float[np.ndarray, "n d"], dim: int) -> Float[np.ndarray, "n e"]:
    """The first numbers of embeddings, unit rows again.

    A released projection keeps its first numbers as principal components of the features
    (``model.training.learner_stage``): no task has trained them, so they favour no learner.

    Raises:
        MetricError: the embeddings have not so many numbers.
    """
    if not 1 <= dim <= rows.shape[1]:
        raise MetricError(
            f"an embedding has {rows.shape[1]} numbers, its first {dim} were asked for"
        )
    kept = rows[:, :dim]
    found: np.ndarray = kept / np.linalg.norm(kept, axis=1, keepdims=True).clip(1e-12)
    return found.astype(np.float32)


def of_pool(pool: Pool, features: Float[np.ndarray, "p d"]) -> Material:
    """The training split of a measured pool.

    Raises:
        EpisodeError: it lacks stand-ins or products.
    """
    at = pool.training
    labels = [_label(pool.items[i]) for i in at]
    if len({label.is_standin for label in labels}) < 2:
        raise EpisodeError(
            f"the training split has {len(at)} pictures, not both stand-ins and products; learners "
            "cannot be meta-trained on it"
        )
    return Material(torch.from_numpy(np.ascontiguousarray(features[at])), labels)


def _label(item: Item) -> ViewLabel:
    traits, drawn = item.traits, item.origin == "drawn"
    names = {"family": item.group} if drawn else {"group": item.group, "category": traits.category}
    return ViewLabel(
        is_standin=traits.is_standin,
        category=traits.category,
        kind=traits.kind,
        look=traits.look,
        fine=item.group if drawn else traits.kind or traits.category,
        hardtag=item.hardtag,
        role=role(names),  # type: ignore[arg-type]
        drawn=drawn,
    )


def of_views(
    work: Path, net: EncoderNet, pool: Pool, features: Float[np.ndarray, "p d"]
) -> Material:
    """The views in a work folder of ``meta_train``, embedded by the release.

    Args:
        features: embeddings of the pool by the same release, to tell whether they belong together.

    Raises:
        MetricError: the folder has no views or several sets of them, or they are of another
            encoder.
    """
    labels, pooled = stored_views(work)
    held = [i for i, view in enumerate(labels) if view.role == "validation" and not view.drawn]
    check_same_encoder(_embed(net, pooled[held]), features[pool.measured], work)
    kept = [i for i, view in enumerate(labels) if view.role != "validation"]
    return Material(_embed(net, pooled[kept]), [labels[i] for i in kept])


def stored_views(work: Path) -> tuple[list[ViewLabel], Float[Tensor, "n f"]]:
    """Labels and pooled features in a work folder of ``meta_train``, validation views among them.

    Of a folder that trained several times, the last that agree.

    Raises:
        MetricError: the folder has no views, or no features of as many views.
    """
    sets = [_view_labels(path) for path in sorted(work.glob("views-*")) if path.is_dir()]
    found = sorted(work.glob("features-*.npy"), key=lambda path: path.stat().st_mtime)
    for path in reversed(found):
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
        for labels in sets:
            if len(labels) == len(rows):
                return labels, torch.from_numpy(np.array(rows))
    counts = ", ".join(str(len(labels)) for labels in sets) or "none"
    raise MetricError(
        f"{work} has no features of its views (folders of views: {counts}; files of features: "
        f"{len(found)}); is it the work folder of a training that came to its end?"
    )


def _view_labels(folder: Path) -> list[ViewLabel]:
    shards = sorted(folder.glob("shard-*.jsonl"))
    lines = [line for path in shards for line in path.read_text(encoding="utf-8").splitlines()]
    return [ViewLabel(**json.loads(line)) for line in lines]


@torch.no_grad()
def _embed(net: EncoderNet, pooled: Tensor) -> Tensor:
    starts = range(0, len(pooled), _BATCH)
    parts = [net.embed_pooled(pooled[at : at + _BATCH].float()) for at in starts]
    return torch.cat(parts) if parts else torch.zeros(0, net.dim)


def check_same_encoder(
    views: Float[Tensor, "v d"], measured: Float[np.ndarray, "m d"], work: Path
) -> None:
    """The plain view of a held-out picture must be embedded as the picture itself is.

    Args:
        views: of held-out pictures, unit rows. measured: the pictures themselves, unit rows.
        work: the folder that the views are from, for the message.

    Raises:
        MetricError: they are of another encoder, or of other pictures.
    """
    if not len(views) or not len(measured):
        return
    some = views[:: max(1, len(views) // 200)]
    nearest = (some @ torch.from_numpy(np.ascontiguousarray(measured)).T).amax(1)
    if float(nearest.median()) < _SAME_PICTURE:
        raise MetricError(
            f"the views in {work} are of another encoder than the weights, or of other pictures: a "
            f"held-out view has a cosine of {float(nearest.median()):.3f} with the nearest "
            f"measured picture, expected is {_SAME_PICTURE} and above"
        )
