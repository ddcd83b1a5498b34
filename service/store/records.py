"""What goes into the store and what comes out: frozen values, no database types."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from service.store.errors import InvalidRecord, StoreError

Label = Literal["placeholder", "real"]
Cause = Literal["base", "examples", "feedback", "rollback", "guesses", "guard"]
Decision = Literal["placeholder", "real", "unsure"]
Taken = Literal["added", "relabelled", "unchanged", "superseded"]
Origin = Literal["upload", "teacher", "guess"]
LABELS: Final[tuple[Label, ...]] = ("placeholder", "real")
ORIGINS: Final[tuple[Origin, ...]] = ("upload", "teacher", "guess")
T = TypeVar("T")


class Unset(enum.Enum):
    """The type of ``UNSET``."""

    UNSET = enum.auto()


UNSET: Final = Unset.UNSET
"""Not given, which differs from ``None``: ``None`` clears a setting, ``UNSET`` leaves it."""


@dataclass(frozen=True)
class StoreOptions:
    """What an operator may set."""

    score_retention: timedelta = timedelta(days=30)
    """How long a score waits for the teacher's word."""
    idempotency_retention: timedelta = timedelta(hours=24)
    """How long an answer is repeated under its idempotency key."""
    idempotency_lease: timedelta = timedelta(minutes=2)
    """How long an unfinished key blocks after its process died. Longer than any request takes."""
    busy_timeout: timedelta = timedelta(seconds=5)
    """How long to wait for another process's write before StoreUnavailable."""
    threads: int = 4
    """Reads at once; on PostgreSQL also writes at once (SQLite writes one at a time)."""
    head_cache_bytes: int = 64 * 2**20
    example_cache_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class Category:
    """One category as it stands. ``version`` 0 is the unadapted base model."""

    name: str
    title: str | None
    threshold: float | None
    unsure_band: float | None
    version: int
    placeholder_count: int
    real_count: int
    created: datetime
    updated: datetime
    etag: str
    """Strong entity tag of the adaptation, quotes included: ``"<category id>-<version>"``.

    It names what the category learned; a new title or threshold does not change it.
    """


@dataclass(frozen=True)
class Version:
    """One entry of a category's history, and never changed once written."""

    number: int
    created: datetime
    placeholder_count: int
    real_count: int
    cause: Cause
    quality: Mapping[str, Any] | None
    active: bool
    source_version: int | None
    """For a rollback: the version that was put in force again."""
    learner: str | None
    model_sha256: str | None
    etag: str


@dataclass(frozen=True)
class Example:
    """One labelled picture of a category's active set; width and height in pixels."""

    id: str
    label: Label
    sha256: str
    width: int
    height: int
    format: str
    created: datetime
    origin: Origin = "upload"
    """``teacher`` where it came from feedback on a score, ``guess`` where the category labelled a
    scored picture itself: there is no thumbnail then."""


@dataclass(frozen=True)
class KnownPicture:
    """What the newest score of a picture keeps of it.

    Attributes:
        embedding: shape (d,), float32, of unit length, from half precision; zeros where the encoder
            was not asked.
        signals: as ``NewExample.signals``.
    """

    sha256: str
    width: int
    height: int
    format: str
    embedding: npt.NDArray[np.float32] = field(repr=False)
    signals: bytes | None = field(repr=False)


@dataclass(frozen=True)
class NewExample:
    """One labelled picture to add.

    Args:
        label: ``placeholder`` or ``real``.
        sha256: of the picture's bytes, 64 hexadecimal digits. The picture's identity.
        width, height: pixels of the original.
        format: as ``model.images`` names it, such as ``JPEG``.
        embedding: shape (d,), finite. Kept as float32.
        thumbnail: WebP bytes; None where the picture itself is not at hand.
        model_sha256: of the weights that made ``embedding``. With it, uploading a picture again
            after a change of model replaces the embedding kept; without it ("") the embedding is
            filed under the adaptation's model and an existing one is left as it is.
        signals: what the cheaper experts see of the picture, as the scoring code wrote it, opaque
            to the store. An example that has none yet takes them over when it comes again.
        origin: ``upload``, ``teacher`` where a score was spoken about, or ``guess`` where nobody
            spoke. A guess never changes an example that is there.
    Raises:
        InvalidRecord: a value that cannot be stored.
    """

    label: Label
    sha256: str
    width: int
    height: int
    format: str
    embedding: npt.NDArray[np.float32] = field(repr=False)
    thumbnail: bytes | None = field(repr=False)
    model_sha256: str = ""
    signals: bytes | None = field(default=None, repr=False)
    origin: Origin = "upload"

    def __post_init__(self) -> None:
        """Refuse at the door what would poison every later adaptation."""
        if self.label not in LABELS:
            raise InvalidRecord(f"label must be placeholder or real, got {self.label!r}")
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise InvalidRecord("sha256 must be 64 lower-case hexadecimal digits")
        if not (0 < self.width < 2**31 and 0 < self.height < 2**31):
            raise InvalidRecord(f"no picture is {self.width} x {self.height} pixels")
        if self.embedding.ndim != 1 or not self.embedding.size:
            raise InvalidRecord(f"embedding must be one vector, got shape {self.embedding.shape}")
        if not np.isfinite(self.embedding).all():
            raise InvalidRecord("embedding has values that are not finite")
        if self.origin not in ORIGINS:
            raise InvalidRecord(f"origin must be one of {ORIGINS}, got {self.origin!r}")


@dataclass(frozen=True)
class Change:
    """What a write did. ``changed`` is False where no new version was needed."""

    category: Category
    version: Version
    added: int
    relabelled: int
    unchanged: int
    changed: bool
    removed: int = 0
    undone: int = 0
    """Guesses that the guard removed, in a version of its own after this change's."""


@dataclass(frozen=True)
class ActiveHead:
    """What scoring one category needs.

    ``state`` is None for version 0, for a rollback to version 0, and for a category that was
    never named; all three score with the base model. ``model_sha256`` is the model that the state
    belongs to: a state of another model must not be used with the present one.
    """

    category: str
    known: bool
    version: int
    state: bytes | None = field(repr=False)
    learner: str | None
    model_sha256: str | None
    threshold: float | None
    unsure_band: float | None
    placeholder_count: int
    real_count: int
    etag: str | None
    category_id: str | None = None
    """Of a category that exists: never given twice, unlike its name."""
    online: bytes | None = field(default=None, repr=False)
    """What this version has learned from the teacher; see ``Adaptation.online``."""


@dataclass(frozen=True)
class ExampleMatrix:
    """The example set of one version, ordered by id. The arrays are shared: they are read-only."""

    ids: tuple[str, ...]
    labels: tuple[Label, ...]
    embeddings: npt.NDArray[np.float32] = field(repr=False)
    """Shape (n, d); (0, 0) for an empty set."""
    signals: tuple[bytes | None, ...] = field(default=(), repr=False)
    """n of them, as ``NewExample.signals``; None where unknown."""
    guessed: frozenset[str] = frozenset()
    """Ids of those that the category labelled itself."""

    @cached_property
    def is_guess(self) -> npt.NDArray[np.bool_]:
        """Shape (n,)."""
        if not self.guessed:
            return np.zeros(len(self.ids), dtype=np.bool_)
        return np.array([one in self.guessed for one in self.ids], dtype=np.bool_)

    @cached_property
    def is_placeholder(self) -> npt.NDArray[np.bool_]:
        """Shape (n,)."""
        return np.array([label == "placeholder" for label in self.labels], dtype=np.bool_)

    @cached_property
    def embedded(self) -> Mapping[Label, npt.NDArray[np.intp]]:
        """Of each label the rows that the encoder has seen: the others are zeros."""
        seen = self.embeddings.any(axis=1)
        return {
            "placeholder": np.flatnonzero(self.is_placeholder & seen),
            "real": np.flatnonzero(~self.is_placeholder & seen),
        }


@dataclass(frozen=True)
class ScoreRow:
    """One score, kept so that a teacher can speak about it later.

    ``embedding`` is of unit length, as little-endian float16, or b"" where none is kept. Make
    ``score_id`` with ``new_id()``: ids that grow with time keep inserts cheap.

    What is None by default is what a picture needs to become an example; a score that lacks any
    of the first four, as those of earlier releases do, cannot be learned from.
    """

    tenant: str
    score_id: str
    category: str
    version: int
    probability: float
    decision: Decision
    sha256: str
    embedding: bytes = field(repr=False)
    created: datetime
    model_sha256: str | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    category_id: str | None = None
    """``ActiveHead.category_id``: None where the category was not there when it was scored."""
    signals: bytes | None = field(default=None, repr=False)
    """As ``NewExample.signals``."""
    answers: bytes | None = field(default=None, repr=False)
    """What each candidate answer said: float32, little-endian, opaque to the store."""


@dataclass(frozen=True)
class Word:
    """The teacher's word on one score."""

    score_id: str
    label: Label


@dataclass(frozen=True)
class Taught:
    """What became of a word.

    ``added`` or ``relabelled`` where it changed the category's examples; ``unchanged`` where it
    said what was known; ``superseded`` where a later word of the same call said otherwise of the
    same picture.
    """

    word: Word
    score: ScoreRow
    status: Taken
    version: int
    """In force now: one more than before where a word of this call changed the category."""
    undone: int = 0
    """Guesses of the category that the words of this call undid, by one version more."""


@dataclass(frozen=True)
class NotTaught:
    """A word that could not be taken. Its neighbours are."""

    word: Word
    error: StoreError


@dataclass(frozen=True)
class StoredAnswer:
    """An HTTP answer kept for repetition."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Idempotency(Generic[T]):
    """Finish an idempotency key in the same transaction as the change itself.

    ``idempotent_begin`` must have returned None for (operation, key) in this process. ``answer``
    turns the outcome into the answer to repeat; it is called inside the transaction, before the
    commit. So a process killed at any instant leaves either change and answer, or neither, and
    ``idempotent_finish`` need not be called.
    """

    operation: str
    key: str
    answer: Callable[[T], StoredAnswer] = field(repr=False)


@dataclass(frozen=True)
class Page(Generic[T]):
    """Part of a list. ``next_cursor`` is None on the last page."""

    items: Sequence[T]
    next_cursor: str | None


@dataclass(frozen=True)
class StaleModel:
    """How much of a tenant's data belongs to a model other than the present one."""

    tenant: str
    model_sha256: str
    categories: int
    """Categories whose active adaptation was made by that model."""
    examples: int
    """Examples in active sets whose embedding was made by that model."""


@dataclass(frozen=True)
class Purged:
    """Rows removed by ``Store.purge``."""

    scores: int
    idempotency_keys: int
