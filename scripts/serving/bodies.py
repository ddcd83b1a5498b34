"""Whole HTTP requests as files, for wrk to send: real JPEGs, by multipart, base64 or alone.

Each picture carries a JPEG comment of sixteen characters that load.lua replaces by a number that
was never used, so that no two requests bring the same bytes and nothing can be answered from what
is already known.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = b"@standin-unique@"
MARK_BASE64 = b"StandinUniqueNo0"  # of twelve bytes, at a place where base64 begins a group
BOUNDARY = "standin-bench"


@dataclass(frozen=True, eq=False)
class Picture:
    """A JPEG, the category that it belongs to, and one whose goods are others."""

    jpeg: bytes
    category: str
    other: str


Address = Callable[[Picture], str]
"""Names the category under which a picture is asked about."""

Writer = Callable[[Sequence[Picture]], bytes]
"""Makes one request of some pictures."""


def commented(jpeg: bytes, comment: bytes) -> bytes:
    """The same picture with a comment before everything else."""
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def marked(jpeg: bytes) -> bytes:
    """A picture that holds :data:`MARK` once."""
    return commented(jpeg, MARK)


def marked_base64(jpeg: bytes) -> str:
    """A picture in base64, whose text holds :data:`MARK_BASE64` once."""
    # Six bytes stand before the comment, so its base64 stands alone.
    return base64.b64encode(commented(jpeg, base64.b64decode(MARK_BASE64))).decode()


def _post(path: str, content_type: str, content: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def form(path: str, parts: Sequence[tuple[str, bytes]]) -> bytes:
    """One request: a JPEG for each field's name."""
    chunks = []
    for index, (field, jpeg) in enumerate(parts):
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; '
            f'filename="{index}.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        )
        chunks += [head.encode(), jpeg, b"\r\n"]
    content = b"".join([*chunks, f"--{BOUNDARY}--\r\n".encode()])
    return _post(path, f"multipart/form-data; boundary={BOUNDARY}", content)


def multipart(path: str, field: str, category: Address | None = None) -> Writer:
    """All pictures of a request in one field; the first says the category, which ends the path."""

    def write(pictures: Sequence[Picture]) -> bytes:
        whole = path + category(pictures[0]) if category else path
        return form(whole, [(field, marked(picture.jpeg)) for picture in pictures])

    return write


def raw(path: str) -> Writer:
    """One picture, and nothing but its bytes."""

    def write(pictures: Sequence[Picture]) -> bytes:
        (picture,) = pictures
        return _post(path, "image/jpeg", marked(picture.jpeg))

    return write


def json_image(path: str, key: str) -> Writer:
    """One picture as ``{key: base64}``."""

    def write(pictures: Sequence[Picture]) -> bytes:
        (picture,) = pictures
        text = json.dumps({key: marked_base64(picture.jpeg)})
        return _post(path, "application/json", text.encode())

    return write


def json_items(path: str, category: Address) -> Writer:
    """Standin's JSON: each picture with a category of its own."""

    def write(pictures: Sequence[Picture]) -> bytes:
        items = [{"category": category(p), "data": marked_base64(p.jpeg)} for p in pictures]
        return _post(path, "application/json", json.dumps({"items": items}).encode())

    return write


def write_requests(
    folder: Path, pictures: Sequence[Picture], write: Writer, each: int, count: int
) -> int:
    """Fill a folder with requests.

    Args:
        each: pictures in a request.
        count: of requests; the pictures are taken in turn, each as often as it takes.

    Returns:
        ``count``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        taken = [pictures[(number * each + place) % len(pictures)] for place in range(each)]
        (folder / str(number)).write_bytes(write(taken))
    return count
