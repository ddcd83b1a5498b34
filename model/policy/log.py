"""What every expert said of every picture, whether or not it was worth asking.

A policy saves work by not asking; what the unasked would have said is only known where all were
asked once. Such a log is that: many episodes, each a category adapted from a support set and then
asked about query pictures, one row a picture, with all experts' answers and the truth.
"""

from __future__ import annotations

import dataclasses
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from model.policy.errors import LogError

SORTS = ("ordinary", "turning")


@dataclass(frozen=True, eq=False)
class Log:
    """n query pictures of many episodes, answered by e experts; checked when made.

    Rows of one episode need not stand together.

    Attributes:
        logits: shape (n, e), floating: natural log-odds of "placeholder"; 0 where the expert
            abstained.
        answered: shape (n, e), bool: False where the expert abstained.
        context: shape (n, c), floating, finite: of the episode, the same in all of its rows.
        label: shape (n,), bool: True for a placeholder.
        episode: shape (n,), integer: number of the episode, 0 or more.
        sort: shape (n,), text: "ordinary" or "turning", one for an episode.
        shots: shape (n, 2), integer: placeholders and real pictures in the episode's support set.
        kind: shape (n,), text: of the picture, such as "silhouette" or a hard tag; may be empty.
        context_names: what the columns of ``context`` are, c different words.
    Raises:
        LogError: the arrays do not belong together; the message says which.
    """

    # Shapes are checked below, in words for whoever wrote the log.
    logits: np.ndarray
    answered: np.ndarray
    context: np.ndarray
    label: np.ndarray
    episode: np.ndarray
    sort: np.ndarray
    shots: np.ndarray
    kind: np.ndarray
    context_names: tuple[str, ...]

    def __post_init__(self) -> None:
        self._check_shapes()
        if not np.isfinite(self.logits).all() or not np.isfinite(self.context).all():
            raise LogError("logits and context must be finite; one holds NaN or infinity")
        if self.logits[~self.answered].any():
            raise LogError("an expert that abstained has a logit other than 0")
        if strange := sorted({str(each) for each in np.unique(self.sort)} - set(SORTS)):
            raise LogError(f"sort is one of {SORTS}, got {strange[0]!r}")
        if self.episode.min() < 0 or self.shots.min() < 0:
            raise LogError("episodes and shots are numbered from 0, got one below")
        _, first, place = np.unique(self.episode, return_index=True, return_inverse=True)
        for name in ("context", "sort", "shots"):
            values = getattr(self, name)
            differs = values != values[first][place]
            if differs.any():
                row = int(np.argwhere(differs)[0, 0])
                raise LogError(
                    f"{name} must be the same in all rows of an episode; it changes within "
                    f"episode {self.episode[row]}, row {row}"
                )

    def _check_shapes(self) -> None:
        if self.logits.ndim != 2 or 0 in self.logits.shape:
            raise LogError(
                f"logits must have shape (n, e), at least (1, 1), got {self.logits.shape}"
            )
        n, experts = self.logits.shape
        wanted = {
            "logits": ((n, experts), "f"),
            "answered": ((n, experts), "b"),
            "context": ((n, len(self.context_names)), "f"),
            "label": ((n,), "b"),
            "episode": ((n,), "i"),
            "sort": ((n,), "U"),
            "shots": ((n, 2), "i"),
            "kind": ((n,), "U"),
        }
        for name, (shape, kind) in wanted.items():
            value = getattr(self, name)
            if value.shape != shape or value.dtype.kind != kind:
                raise LogError(
                    f"{name} must have shape {shape} and a type of kind {kind!r}, "
                    f"got {value.shape} of {value.dtype}"
                )
        if len(set(self.context_names)) != len(self.context_names):
            raise LogError(f"names of the context occur twice: {self.context_names}")

    def __len__(self) -> int:
        return len(self.label)

    @property
    def experts(self) -> int:
        """e, how many experts answered."""
        return int(self.logits.shape[1])

    def rows(self, chosen: Shaped[np.ndarray, " m"]) -> Log:
        """The log of some rows, by mask or by position.

        Raises:
            LogError: nothing was chosen.
        """
        arrays = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        return dataclasses.replace(self, **arrays)

    def parted(self, shares: tuple[float, ...], seed: int) -> tuple[Log, ...]:
        """Whole episodes dealt out at random, so that no part has seen another's categories.

        Args:
            shares: above 0; they need not add up to 1. Each part gets at least one episode.
            seed: decides the deal.
        Raises:
            LogError: a share is not above 0, or there are fewer episodes than parts.
        """
        episodes = np.random.default_rng(seed).permutation(np.unique(self.episode))
        if min(shares) <= 0 or len(episodes) < len(shares):
            raise LogError(f"{len(episodes)} episodes cannot be parted in the proportions {shares}")
        # One for each part first, the rest by share.
        ends = np.cumsum(np.array(shares) / sum(shares) * (len(episodes) - len(shares)) + 1)
        parts = np.split(episodes, np.round(ends[:-1]).astype(np.int64))
        return tuple(self.rows(np.isin(self.episode, part)) for part in parts)

    def save(self, path: Path) -> None:
        """Write as .npz, in one move: a kill leaves the old file or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez_compressed(
                file,
                context_names=np.array(self.context_names, dtype=np.str_),
                **{name: getattr(self, name) for name in _ARRAYS},
            )
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Log:
        """Read back what ``save`` wrote; nothing in the file is executed.

        Raises:
            LogError: the file cannot be read, lacks an array, or they do not belong together.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in (*_ARRAYS, "context_names")}
        except OSError as error:
            raise LogError(f"{path} cannot be read: {error.strerror or error}") from error
        except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise LogError(f"{path} is not a log of experts: {error}") from error
        names = tuple(str(name) for name in arrays.pop("context_names").ravel())
        return cls(context_names=names, **arrays)


_ARRAYS = tuple(field.name for field in dataclasses.fields(Log) if field.name != "context_names")
