"""Idempotency-Key: how it is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import MalformedRequest
from service.idempotency import MAX_KEY, fingerprint, parse_key

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)


@given(PRINTABLE)
def test_what_rfc_9651_writes_is_read(key: str) -> None:
    written = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert parse_key(written) == key
    assert parse_key(f" {written} ") == key


@given(st.text(max_size=40))
def test_whatever_comes_is_read_or_refused(header: str) -> None:
    try:
        key = parse_key(header)
    except MalformedRequest:
        return
    assert key
    assert header.strip(" ")[0] == header.strip(" ")[-1] == '"'


@pytest.mark.parametrize("header", ["", "key", '"', '""', "'key'", '"a"b"', '"a";p=1', '"\t"'])
def test_what_is_no_string_is_refused(header: str) -> None:
    with pytest.raises(MalformedRequest):
        parse_key(header)


def test_length_and_absence() -> None:
    assert parse_key(None) is None
    assert parse_key(f'"{"k" * MAX_KEY}"') == "k" * MAX_KEY
    with pytest.raises(MalformedRequest, match="255"):
        parse_key(f'"{"k" * (MAX_KEY + 1)}"')


def test_order_and_labels_are_part_of_the_body() -> None:
    bodies = [
        [],
        [["real", "a"]],
        [["placeholder", "a"]],
        [["real", "a"], ["real", "b"]],
        [["real", "b"], ["real", "a"]],
    ]
    assert len({fingerprint(body) for body in bodies}) == len(bodies)
    assert fingerprint(bodies[3]) == fingerprint([["real", "a"], ["real", "b"]])
