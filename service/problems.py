"""Errors as RFC 9457 problems: one table from what was raised to what is answered.

Routes raise; nothing else in the service writes a status. docs/problems.md is written from the
table, and a test fails on an error class that is missing here.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from model import errors as science
from model.policy import errors as policy
from service import errors as ours
from service.errors import FieldError, Place
from service.store import errors as store

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:standin:problem:"
log = logging.getLogger("standin.problems")


@dataclass(frozen=True)
class Kind:
    """One kind of problem: its status, the end of its ``type``, its title and when it comes."""

    status: int
    slug: str
    title: str
    explained: str
    # Its message may name what only the operator should read, so the caller gets `explained`.
    hides_detail: bool = False

    @property
    def type(self) -> str:
        """The URI that a client may switch on."""
        return TYPE_PREFIX + self.slug


MALFORMED = Kind(400, "malformed", "Malformed request", "The bytes are not what they claim to be.")
BAD_CURSOR = Kind(400, "bad-cursor", "Unknown cursor", "A page cursor not handed out here.")
NOT_BASE64 = Kind(400, "not-base64", "Not base64", "`data` of a picture is not base64.")
FOREIGN_PAGE = Kind(
    403, "foreign-page", "Refused to a foreign page", "A page of another origin is asking."
)
NOT_FOUND = Kind(404, "not-found", "Not found", "There is nothing at this path.")
NO_CATEGORY = Kind(404, "no-such-category", "No such category", "The category does not exist.")
NO_EXAMPLE = Kind(404, "no-such-example", "No such example", "The category has no such example.")
NO_VERSION = Kind(404, "no-such-version", "No such version", "The history has no such version.")
NO_SCORE = Kind(404, "no-such-score", "No such score", "The score is unknown or no longer kept.")
NO_THUMBNAIL = Kind(
    404, "no-thumbnail", "No thumbnail", "The example came from a score, which keeps no picture."
)
NOT_ALLOWED = Kind(
    405, "method-not-allowed", "Method not allowed", "`Allow` names the methods of this path."
)
IN_FLIGHT = Kind(
    409, "idempotency-in-flight", "Still being worked on", "The key's first request is not done."
)
CONFLICTING = Kind(
    409, "conflicting-labels", "Both labels at once", "One upload gives a picture both labels."
)
OTHER_WEIGHTS = Kind(
    409,
    "other-weights",
    "Learned under other weights",
    "The category's examples belong to another base model: upload them again, or delete it.",
)
STALE = Kind(412, "stale-version", "Another writer came first", "`If-Match` is not current.")
TOO_LARGE = Kind(413, "request-too-large", "Request too large", "Too many bytes or pictures.")
PICTURE_TOO_LARGE = Kind(
    413, "picture-too-large", "Picture too large", "Too many bytes or pixels in one picture."
)
UNSUPPORTED = Kind(
    415, "unsupported-body", "Unsupported body", "A content type or encoding not taken here."
)
UNREADABLE = Kind(
    415, "unreadable-picture", "Not a picture that can be read", "Broken, truncated, or no picture."
)
INVALID = Kind(422, "invalid-fields", "Invalid fields", "`errors` names each field.")
FETCHING_OFF = Kind(
    422, "fetching-off", "Fetching is off", "A picture given by `url`: the service fetches none."
)
KEY_REUSED = Kind(
    422, "idempotency-mismatch", "Key used before", "The same Idempotency-Key, another body."
)
NO_PICTURE = Kind(
    422, "no-usable-picture", "No usable picture", "All were refused, for more than one reason."
)
GONE = Kind(499, "client-gone", "Client gone", "Nobody reads this; it is for the log.")
DEFECT = Kind(
    500,
    "defect",
    "A defect of the service",
    "This is a bug; the log tells more. Please report it.",
    hides_detail=True,
)
OVERLOADED = Kind(503, "overloaded", "Overloaded", "Too much is waiting; see `Retry-After`.")
DEADLINE = Kind(503, "deadline-passed", "Took too long", "The deadline passed; see `Retry-After`.")
NOT_READY = Kind(503, "not-ready", "Not ready", "Starting, or something is missing.")
STORE_AWAY = Kind(503, "store-unavailable", "Store unavailable", "The database does not answer.")

KINDS: Mapping[type[Exception], Kind] = {
    # the science
    science.StandinError: DEFECT,
    science.PictureError: UNREADABLE,
    science.UnreadablePicture: UNREADABLE,
    science.PictureTooLarge: PICTURE_TOO_LARGE,
    # What follows belongs to training and to the start; in a request it would be a bug.
    science.SupportError: DEFECT,
    science.EpisodeError: DEFECT,
    science.ManifestError: DEFECT,
    science.WeightsError: DEFECT,
    science.DeviceError: DEFECT,
    science.MetricError: DEFECT,
    policy.LogError: DEFECT,
    policy.PolicyError: DEFECT,
    # the service
    ours.ServiceError: DEFECT,
    ours.MalformedRequest: MALFORMED,
    ours.BodyStalled: MALFORMED,
    ours.UnsupportedBody: UNSUPPORTED,
    ours.RequestTooLarge: TOO_LARGE,
    ours.InvalidFields: INVALID,
    ours.ForeignPage: FOREIGN_PAGE,
    ours.Overloaded: OVERLOADED,
    ours.DeadlinePassed: DEADLINE,
    ours.NotReady: NOT_READY,
    ours.NothingUsable: NO_PICTURE,
    ours.ClientGone: GONE,
    ours.UnreadableBase64: NOT_BASE64,
    ours.FetchingIsOff: FETCHING_OFF,
    ours.ConflictingLabels: CONFLICTING,
    ours.OtherWeights: OTHER_WEIGHTS,
    # the store
    store.StoreError: DEFECT,
    store.NotFound: NOT_FOUND,
    store.CategoryNotFound: NO_CATEGORY,
    store.CategoryDeleted: NO_CATEGORY,
    store.ScoreNotFound: NO_SCORE,
    store.ThumbnailNotKept: NO_THUMBNAIL,
    store.ExampleNotFound: NO_EXAMPLE,
    store.VersionNotFound: NO_VERSION,
    store.StaleVersion: STALE,
    store.StaleEmbeddings: OTHER_WEIGHTS,
    store.StaleScore: OTHER_WEIGHTS,
    store.BadCursor: BAD_CURSOR,
    store.InvalidRecord: INVALID,
    store.IdempotencyConflict: IN_FLIGHT,
    store.IdempotencyMismatch: KEY_REUSED,
    store.StoreUnavailable: STORE_AWAY,
    store.DatabaseTooNew: NOT_READY,
    store.UnsupportedDatabase: NOT_READY,
    store.StoreDefect: DEFECT,
}
# What Starlette's router says in its own words.
ROUTER_KINDS: Mapping[int, Kind] = {400: MALFORMED, 404: NOT_FOUND, 405: NOT_ALLOWED}
RETRY_AFTER_SECONDS: Mapping[Kind, float] = {IN_FLIGHT: 1, NOT_READY: 2, STORE_AWAY: 2}


@dataclass(frozen=True)
class Problem:
    """One problem, ready to be written."""

    kind: Kind
    detail: str
    errors: tuple[FieldError, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The members of the problem object."""
        members: dict[str, Any] = {
            "type": self.kind.type,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
        }
        if self.errors:
            members["errors"] = [
                {"in": error.place, "field": error.field, "detail": error.detail}
                for error in self.errors
            ]
        return members | dict(self.more)

    def body(self) -> bytes:
        """UTF-8 JSON."""
        return json.dumps(self.as_json(), ensure_ascii=False).encode("utf-8", "replace")

    def response(self) -> Response:
        """The whole answer."""
        return Response(
            self.body(), self.kind.status, headers=dict(self.headers), media_type=MEDIA_TYPE
        )


def kind_of(error: Exception) -> Kind | None:
    """The nearest class in the table, or None for what nobody foresaw."""
    return next((KINDS[cls] for cls in type(error).__mro__ if cls in KINDS), None)


def describe(error: Exception) -> Problem:
    """The problem that answers ``error``. Never raises, whatever came."""
    if isinstance(error, ValidationError | RequestValidationError):
        return _of_validation(error.errors())
    if isinstance(error, HTTPException):
        return _of_router(error)
    kind = kind_of(error) or DEFECT
    detail = kind.explained if kind.hides_detail else str(error) or kind.explained
    headers = {}
    retry = getattr(error, "retry_after", RETRY_AFTER_SECONDS.get(kind))
    if retry is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry)))
    if isinstance(error, ours.BodyStalled):
        headers["Connection"] = "close"
    if isinstance(error, ours.InvalidFields):
        return Problem(kind, _summary(error.errors), error.errors, headers=headers)
    if isinstance(error, ours.NothingUsable):
        return _of_nothing_usable(error)
    return Problem(kind, detail, headers=headers)


def rejections(rejected: Iterable[tuple[int, Exception]]) -> list[dict[str, Any]]:
    """``rejected`` of an upload: each index with its problem."""
    return [{"index": index, "error": describe(error).as_json()} for index, error in rejected]


def _of_nothing_usable(error: ours.NothingUsable) -> Problem:
    kinds = {describe(cause).kind for _, cause in error.rejected}
    kind = kinds.pop() if len(kinds) == 1 else NO_PICTURE
    detail = f"{error}, so nothing was changed: {error.rejected[0][1]}"
    return Problem(kind, detail, more={"rejected": rejections(error.rejected)})


def _of_router(error: HTTPException) -> Problem:
    kind = ROUTER_KINDS.get(error.status_code, DEFECT)
    return Problem(kind, kind.explained, headers=error.headers or {})


def _of_validation(found: Iterable[Mapping[str, Any]]) -> Problem:
    errors = []
    for one in found:
        if one["type"] == "json_invalid":
            return Problem(MALFORMED, f"the body is not JSON: {one['msg']}")
        errors.append(field_error(one))
    return Problem(INVALID, _summary(errors), tuple(errors))


def field_error(found: Mapping[str, Any], place: Place | None = None) -> FieldError:
    """What pydantic found, in the words of an HTTP client."""
    path = list(found["loc"])
    if place is None:
        place = path.pop(0) if path and path[0] in ("query", "path", "header", "body") else "body"
    name = ".".join(str(part) for part in path) or "(the whole)"
    if found["type"] == "extra_forbidden":
        return FieldError(place, name, "is not a field here")
    if found["type"] == "missing":
        return FieldError(place, name, "is required")
    message = str(found["msg"]).removeprefix("Value error, ")
    return FieldError(place, name, message[:1].lower() + message[1:])


def _summary(errors: Iterable[FieldError]) -> str:
    errors = list(errors)
    said = "; ".join(f"{error.field}: {error.detail}" for error in errors[:3])
    return said + (f"; and {len(errors) - 3} more" if len(errors) > 3 else "")


def install(app: FastAPI) -> None:
    """Answer everything in the table, validation and the router's own refusals as problems."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = describe(error)
        if problem.kind is NOT_ALLOWED:
            # The router names the methods of the first route that has this path, not of all.
            path = getattr(request.scope.get("route"), "path", "")
            methods = request.app.state.methods.get(path, ["GET"])
            problem = replace(problem, headers={"Allow": ", ".join(_with_head(methods))})
        if problem.kind is DEFECT:
            log.error("defect in %s %s", request.method, request.url.path, exc_info=error)
        return problem.response()

    roots = (science.StandinError, ours.ServiceError, store.StoreError)
    for cls in (*roots, RequestValidationError, HTTPException):
        app.add_exception_handler(cls, answer)


def _with_head(methods: Iterable[str]) -> list[str]:
    methods = set(methods)
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def as_markdown() -> str:
    """docs/problems.md."""
    kinds = {kind.slug: kind for kind in [*KINDS.values(), *ROUTER_KINDS.values()]}
    lines = [
        "# Problems",
        "",
        "Every refusal is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, "
        f"`detail`, and `errors` for fields. `type` is `{TYPE_PREFIX}` and a name of this table; "
        "it is what a client may switch on, as titles and details may be worded better one day. "
        "The `error` of one picture (in `results` of a score, in `rejected` of an upload) is the "
        "same object.",
        "",
        "| status | name | when |",
        "| --- | --- | --- |",
    ]
    for kind in sorted(kinds.values(), key=lambda kind: (kind.status, kind.slug)):
        if kind is GONE:
            continue
        lines.append(f"| {kind.status} | `{kind.slug}` | {kind.title}. {kind.explained} |")
    return "\n".join(lines) + "\n"
