"""multipart/form-data, read while it arrives: files only, in memory, in order of appearance."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import FieldError, InvalidFields, MalformedRequest, RequestTooLarge

if TYPE_CHECKING:  # There for whoever checks types alone.
    from python_multipart.multipart import MultipartCallbacks

MAX_FILE_NAME = 200


@dataclass(frozen=True)
class Upload:
    """One file: the field it came in, the name its sender gave it (for labels only), its bytes."""

    field_name: str
    name: str | None
    data: bytes = field(repr=False)


class Reader:
    """Feed it chunks, then ``finish``. It keeps at most what it was fed.

    Args:
        content_type: of the request, with its boundary.
        fields: names of the fields that files may come in.
        max_files: of one request.
    Raises:
        MalformedRequest: no boundary, or the bytes are not multipart.
        InvalidFields: a field of another name, or one that is not a file.
        RequestTooLarge: too many files; raised at the first one too many.
    """

    def __init__(self, content_type: str, fields: Collection[str], max_files: int) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise MalformedRequest("multipart/form-data needs its boundary in Content-Type")
        # Two objects, of which the parser knows one: were it known to the reader that it calls,
        # the files would stay in memory until the next search for cycles.
        self._parts = _Parts(fields, max_files)
        try:
            self._parser = MultipartParser(boundary, self._parts.callbacks())
        except FormParserError as error:
            raise MalformedRequest(f"the multipart boundary is refused: {error}") from error

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedRequest(f"the body is not multipart/form-data: {error}") from error

    def finish(self) -> list[Upload]:
        """The files, once the body has ended."""
        if not self._parts.ended:
            raise MalformedRequest("the multipart body ends before its closing boundary")
        return self._parts.uploads


class _Parts:
    """What the parser has found so far."""

    def __init__(self, fields: Collection[str], max_files: int) -> None:
        self.uploads: list[Upload] = []
        self.ended = False
        self._fields = fields
        self._max_files = max_files
        self._headers: dict[bytes, bytes] = {}
        self._header = (bytearray(), bytearray())
        self._field = ""
        self._name: str | None = None
        self._chunks: list[bytes] = []

    def callbacks(self) -> MultipartCallbacks:
        """What the parser calls."""
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise MalformedRequest("every part needs a Content-Disposition of form-data and a name")
        if b"content-transfer-encoding" in self._headers:
            raise MalformedRequest("Content-Transfer-Encoding is not read: send the bytes as is")
        self._field = options[b"name"].decode("utf-8", "replace")
        if self._field not in self._fields:
            known = " and ".join(sorted(self._fields))
            detail = f"is not a field here: files come in {known}"
            raise InvalidFields(FieldError("body", self._field[:MAX_FILE_NAME], detail))
        if b"filename" not in options:
            raise InvalidFields(
                FieldError("body", self._field, "must be a file (curl: -F field=@picture.jpg)")
            )
        if len(self.uploads) >= self._max_files:
            raise RequestTooLarge(f"more than the {self._max_files} pictures of one request")
        self._name = _printable(options[b"filename"])

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._chunks.append(data[start:end])

    def _on_part_end(self) -> None:
        data = b"".join(self._chunks)
        self._chunks.clear()
        # A browser sends a file field that was left empty as a file without name and bytes.
        if data or self._name:
            self.uploads.append(Upload(self._field, self._name, data))

    def _on_end(self) -> None:
        self.ended = True


def _printable(name: bytes) -> str | None:
    """A sender's file name as text that can be shown: never a path of ours, never executed."""
    text = name.decode("utf-8", "replace")
    return "".join(char for char in text if char.isprintable())[:MAX_FILE_NAME] or None
