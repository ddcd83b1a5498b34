"""What the service itself refuses. Statuses are not here: :mod:`service.problems` maps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.errors import PictureError

Place = Literal["body", "query", "path", "header"]


@dataclass(frozen=True)
class FieldError:
    """One field that is wrong: where it is, its name as a path, and what is wrong with it."""

    place: Place
    field: str
    detail: str


class ServiceError(Exception):
    """Root of what the service refuses; ``str()`` is a sentence for the caller."""


class MalformedRequest(ServiceError):
    """The bytes are not the JSON, multipart or header that they claim to be."""


class BodyStalled(MalformedRequest):
    """Half a body came, and then nothing."""


class UnsupportedBody(ServiceError):
    """A content type or content encoding that is not taken here."""


class RequestTooLarge(ServiceError):
    """More bytes or pictures than one request may bring."""


class InvalidFields(ServiceError):
    """Well-formed, but fields are wrong. ``errors`` names each."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field}: {error.detail}" for error in errors))
        self.errors = errors


class ForeignPage(ServiceError):
    """A web page of another origin is talking through its visitor's browser."""


class Overloaded(ServiceError):
    """More work is waiting than may wait."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlinePassed(Overloaded):
    """The request took longer than it may."""


class NotReady(ServiceError):
    """The weights are not loaded yet, or the store does not answer."""


class NothingUsable(ServiceError):
    """Not one picture of an upload could be taken. ``rejected`` pairs an index with its error."""

    def __init__(self, rejected: list[tuple[int, Exception]]) -> None:
        super().__init__(
            "the picture was refused" if len(rejected) == 1 else "every picture was refused"
        )
        self.rejected = rejected


class ClientGone(ServiceError):
    """Nobody is waiting for the answer any more."""


class UnreadableBase64(PictureError):
    """``data`` of one picture is not base64."""


class FetchingIsOff(PictureError):
    """A picture was given by URL, and the operator has not allowed fetching."""


class ConflictingLabels(PictureError):
    """One request says of the same picture that it is a placeholder and that it is real."""


class OtherWeights(ServiceError):
    """The category learned under other weights than those that are loaded."""
