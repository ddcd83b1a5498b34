"""Request bodies: what came, read once and refused early."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from service.errors import (
    ClientGone,
    InvalidFields,
    MalformedRequest,
    UnsupportedBody,
)
from service.multipart import Reader, Upload
from service.problems import field_error

BodyModel = TypeVar("BodyModel", bound=BaseModel)
# Above this, parsing is worth a thread: the event loop would stand still for milliseconds.
_LARGE = 256 * 1024


def media_type(request: Request) -> Literal["json", "multipart"]:
    """Which of the two the request says it brings.

    Raises:
        UnsupportedBody: another content type, or a compressed body.
    """
    _refuse_encoding(request)
    essence = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if essence == "application/json":
        return "json"
    if essence == "multipart/form-data":
        return "multipart"
    raise UnsupportedBody(
        f"Content-Type {essence or '(none)'} is not taken here: "
        "send multipart/form-data or application/json"
    )


async def read_json(
    request: Request, schema: type[BodyModel], *, optional: bool = False
) -> BodyModel:
    """The JSON body, checked against ``schema``.

    Args:
        optional: an absent body counts as ``{}``.
    Raises:
        UnsupportedBody: not JSON by its content type.
        MalformedRequest: not JSON by its bytes.
        InvalidFields: names each field that is wrong.
    """
    _refuse_encoding(request)
    body = await _whole(request)
    if optional and not body:
        return schema()
    essence = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if essence != "application/json":
        raise UnsupportedBody(
            f"Content-Type {essence or '(none)'} is not taken here: send application/json"
        )
    if len(body) > _LARGE:
        return await asyncio.to_thread(_parse, schema, body)
    return _parse(schema, body)


async def read_multipart(request: Request, fields: Collection[str], max_files: int) -> list[Upload]:
    """The files of a multipart body, in order of appearance.

    Raises:
        MalformedRequest, InvalidFields, RequestTooLarge: as :class:`service.multipart.Reader`.
    """
    reader = Reader(request.headers["content-type"], fields, max_files)
    try:
        async for chunk in request.stream():
            reader.feed(chunk)
    except ClientDisconnect as error:
        raise ClientGone("the client went away while it sent") from error
    return reader.finish()


async def _whole(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise ClientGone("the client went away while it sent") from error


def _refuse_encoding(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise UnsupportedBody(f"Content-Encoding {encoding!r} is not taken here: send it plain")


def _parse(schema: type[BodyModel], body: bytes) -> BodyModel:
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        # Without its input: the message must not carry a picture's megabytes.
        found: list[Any] = error.errors(
            include_url=False, include_context=False, include_input=False
        )
        raise _refusal(found) from error


def _refusal(found: list[Any]) -> MalformedRequest | InvalidFields:
    for one in found:
        if one["type"] == "json_invalid":
            return MalformedRequest(f"the body is not JSON: {one['msg']}")
    return InvalidFields(*(field_error(one, "body") for one in found))
