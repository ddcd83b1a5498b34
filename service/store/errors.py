"""Everything that can go wrong in the store. Foreign errors become these at one border.

``str()`` of each is a sentence for a person. ``service/problems.py`` gives them their status.
"""


class StoreError(Exception):
    """Root of the store's errors."""


class NotFound(StoreError):
    """Something named in the call does not exist for this tenant (404)."""


class CategoryNotFound(NotFound):
    """This tenant has no such category."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no category {name!r}")
        self.name = name


class CategoryDeleted(CategoryNotFound):
    """The category that was scored is gone; one of its name may have come since."""

    def __init__(self, name: str) -> None:
        NotFound.__init__(self, f"category {name!r} was deleted after this score was given")
        self.name = name


class ScoreNotFound(NotFound):
    """This tenant was given no such score, or its retention has ended."""

    def __init__(self, score_id: str) -> None:
        super().__init__(f"there is no score {score_id!r}, or it is no longer kept")
        self.score_id = score_id


class ThumbnailNotKept(NotFound):
    """The example came from a score, which keeps no picture."""

    def __init__(self, category: str, example_id: str) -> None:
        super().__init__(
            f"example {example_id!r} of category {category!r} came from a score, by feedback or a"
            " guess, and of a scored picture no thumbnail is kept; uploading the picture as an"
            " example adds it"
        )
        self.category = category
        self.example_id = example_id


class ExampleNotFound(NotFound):
    """The category's active set holds no such example."""

    def __init__(self, category: str, example_id: str) -> None:
        super().__init__(f"category {category!r} has no example {example_id!r}")
        self.category = category
        self.example_id = example_id


class VersionNotFound(NotFound):
    """The category's history holds no such version."""

    def __init__(self, category: str, number: int, latest: int) -> None:
        super().__init__(
            f"category {category!r} has no version {number}; its versions are 0 to {latest}"
        )
        self.category = category
        self.number = number


class StaleVersion(StoreError):
    """``only_if`` did not match: another writer came first (412)."""

    def __init__(self, category: str, given: str, current: str | None) -> None:
        state = f"the category is at {current}" if current else "the category does not exist"
        super().__init__(f"If-Match was {given}, but {state}")
        self.category = category
        self.current = current


class StaleEmbeddings(StoreError):
    """Stored examples were embedded by another model, so the two cannot be mixed (409).

    Uploading the pictures again with the present model replaces their embeddings; deleting the
    category starts afresh.
    """

    def __init__(self, category: str, stale: int, total: int) -> None:
        super().__init__(
            f"{stale} of {total} examples of category {category!r} were embedded by another model;"
            " upload those pictures again, or delete the category and start afresh"
        )
        self.category = category


class StaleScore(StoreError):
    """A score of other weights, or of a release that kept less, cannot be learned from (409)."""

    def __init__(self, score_id: str) -> None:
        super().__init__(
            f"score {score_id!r} was given under other weights than those that are loaded, or by an"
            " earlier release; score the picture again, or upload it as an example"
        )
        self.score_id = score_id


class BadCursor(StoreError):
    """A page cursor that this store did not hand out (400)."""

    def __init__(self) -> None:
        super().__init__("the cursor is not one that this service handed out")


class InvalidRecord(StoreError, ValueError):
    """A value that cannot be stored: wrong shape, not finite, a NUL character (422)."""


class IdempotencyConflict(StoreError):
    """The first request under this idempotency key is still in flight (409)."""

    def __init__(self) -> None:
        super().__init__("the first request with this Idempotency-Key is still being worked on")


class IdempotencyMismatch(StoreError):
    """The idempotency key came back with another request (422)."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used before, with another request body")


class StoreUnavailable(StoreError):
    """The database cannot answer now: locked, full, gone, or closed (503). Nothing changed.

    One exception to "nothing changed": where the connection to a server broke while a commit was
    on its way, nobody can know; a retry under the same idempotency key is safe either way.

    ``str()`` may be shown to anybody. ``reason`` is for the log: the driver's own words, which
    may name hosts and paths.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class UnsupportedDatabase(StoreError, ValueError):
    """The database URL is not one that the store understands."""


class DatabaseTooNew(StoreError):
    """The database was written by a later release than this one; it is left untouched."""


class StoreDefect(StoreError):
    """The database refused a statement of ours: a defect of the store, not of the caller (500).

    ``reason`` is for the log, as with StoreUnavailable.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("the store made an error of its own")
        self.reason = reason
