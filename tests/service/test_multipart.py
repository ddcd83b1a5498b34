"""The multipart reader against an independent writer, cut into chunks anywhere."""

from __future__ import annotations

import email.message
import email.policy
import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidFields, MalformedRequest, RequestTooLarge
from service.multipart import Reader

TYPE = "multipart/form-data; boundary=xyz"


def body_of(parts: list[tuple[str, bytes]]) -> bytes:
    chunks = []
    for index, (field, data) in enumerate(parts):
        head = f'--xyz\r\nContent-Disposition: form-data; name="{field}"; filename="{index}.jpg"'
        chunks += [head.encode(), b"\r\nContent-Type: image/jpeg\r\n\r\n", data, b"\r\n"]
    return b"".join([*chunks, b"--xyz--\r\n"])


def read(body: bytes) -> list[tuple[str, bytes]]:
    reader = Reader(TYPE, ("a", "b"), 99)
    reader.feed(body)
    return [(upload.field_name, upload.data) for upload in reader.finish()]


# Data that looks like the boundary, or the beginning of it, is where readers go wrong.
DATA = (
    st.lists(
        st.sampled_from(
            [b"\r\n", b"--", b"xyz", b"\r\n--xy", b"\r\n--xyZ", b"-", b"\r", b"\n", b"q"]
        )
        | st.binary(max_size=20),
        max_size=8,
    )
    .map(b"".join)
    .filter(lambda data: b"\r\n--xyz" not in b"\r\n" + data)
)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), DATA), max_size=5),
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
)
def test_whatever_the_chunks_the_files_come_out_in_order(
    parts: list[tuple[str, bytes]], sizes: list[int]
) -> None:
    body = body_of(parts)
    reader = Reader(TYPE, ("a", "b"), 99)
    at, turn = 0, 0
    while at < len(body):
        size = sizes[turn % len(sizes)]
        reader.feed(body[at : at + size])
        at, turn = at + size, turn + 1
    uploads = reader.finish()
    assert [(upload.field_name, upload.data) for upload in uploads] == parts
    assert [upload.name for upload in uploads] == [f"{i}.jpg" for i in range(len(parts))]


@given(DATA)
def test_it_agrees_with_the_standard_library(data: bytes) -> None:
    message = email.message_from_bytes(
        f"Content-Type: {TYPE}\r\n\r\n".encode() + body_of([("a", data)]),
        policy=email.policy.HTTP.clone(cte_type="8bit"),
    )
    (part,) = message.iter_parts()  # type: ignore[attr-defined]
    assert read(body_of([("a", data)])) == [("a", part.get_payload(decode=True))]


@given(st.binary(max_size=300))
def test_bytes_that_are_not_multipart_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedRequest):
        read(data)


@given(st.integers(0, 10_000))
def test_a_body_cut_off_anywhere_is_refused(cut: int) -> None:
    body = body_of([("a", b"one"), ("b", b"two")])
    # Only the line break after the closing boundary may be missing.
    cut %= len(body) - len(b"\r\n") - 1
    with pytest.raises(MalformedRequest):
        read(body[:cut])


@pytest.mark.parametrize(
    "parameters", ["", "; boundary=", f"; boundary={'x' * 300}", "; charset=utf-8"]
)
def test_a_boundary_is_needed(parameters: str) -> None:
    with pytest.raises(MalformedRequest):
        Reader(f"multipart/form-data{parameters}", ("a",), 1)


def test_one_file_too_many_is_refused_before_its_bytes() -> None:
    reader = Reader(TYPE, ("a",), 2)
    reader.feed(body_of([("a", b"1"), ("a", b"2")])[: -len(b"--xyz--\r\n")])
    with pytest.raises(RequestTooLarge, match="2 pictures"):
        reader.feed(b'--xyz\r\nContent-Disposition: form-data; name="a"; filename="3"\r\n\r\n')


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        (b'Content-Disposition: form-data; name="c"; filename="x"', InvalidFields),
        (b'Content-Disposition: form-data; name="a"', InvalidFields),
        (b'Content-Disposition: attachment; name="a"; filename="x"', MalformedRequest),
        (b'Content-Disposition: form-data; filename="x"', MalformedRequest),
        (b"Content-Type: image/jpeg", MalformedRequest),
        (
            b'Content-Disposition: form-data; name="a"; filename="x"\r\n'
            b"Content-Transfer-Encoding: base64",
            MalformedRequest,
        ),
        (b"X: " + b"y" * 100_000, MalformedRequest),
        (b"\r\n".join(b"X%d: y" % i for i in range(100)), MalformedRequest),
    ],
)
def test_parts_that_are_not_files_of_a_known_field_are_refused(
    headers: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        read(b"--xyz\r\n" + headers + b"\r\n\r\ndata\r\n--xyz--\r\n")


def test_a_field_that_was_left_empty_in_a_browser_is_no_file() -> None:
    body = b'--xyz\r\nContent-Disposition: form-data; name="a"; filename=""\r\n\r\n\r\n--xyz--\r\n'
    assert read(body) == []


def test_files_are_freed_with_their_reader_and_wait_for_no_search_for_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        reader = Reader(TYPE, ("a", "b"), 99)
        reader.feed(body_of([("a", b"bytes")]))
        (upload,) = reader.finish()
        still = weakref.ref(upload)
        del upload, reader
        assert still() is None
    finally:
        gc.enable()
