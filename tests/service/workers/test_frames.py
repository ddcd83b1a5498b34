"""What one side puts into a frame, the other takes out of it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.errors import PictureError, PictureTooLarge, UnreadablePicture
from model.experts import EXPERTS
from model.experts.signals import Signals
from model.experts.statistics import STATISTICS
from model.images import FORMATS
from model.look import Look
from model.questions import Opinion
from service.judging import Answer
from service.workers import frames
from service.workers.frames import Order, Passed, Seen

NUMBERS = st.integers(1, 2**32 - 2)
WISHES = st.tuples(st.booleans(), st.lists(st.tuples(NUMBERS, st.integers(1, 256)), max_size=3))
SEEN = st.builds(
    Seen,
    number=NUMBERS,
    format=st.sampled_from(FORMATS),
    width=st.integers(1, 2**32 - 1),
    height=st.integers(1, 2**32 - 1),
    thumbnail=st.none() | st.binary(min_size=1, max_size=9),
    decoding=st.just(0.5),
    looking=st.just(0.25),
)
OPINIONS = st.builds(Opinion, probability=st.floats(0, 1), weight=st.floats(0, 1))
ANSWERS = st.builds(
    Answer,
    probability=st.floats(0, 1),
    given=st.binary(min_size=16, max_size=16),
    experts=st.dictionaries(st.sampled_from(EXPERTS), OPINIONS),
)


def body_of(parts: list[bytes | memoryview], kind: int) -> memoryview:
    """Of a frame that says its kind and its length rightly."""
    whole = b"".join(parts)
    assert frames.HEAD.unpack_from(whole) == (kind, len(whole) - frames.HEAD.size)
    return memoryview(whole)[frames.HEAD.size :]


def signals(seed: int, there: tuple[bool, bool, bool, bool]) -> Signals:
    """One picture's, of which some are there and the others zeros."""
    rng = np.random.default_rng(seed)
    looked, read, embedded, glanced = there

    def row(width: int, is_there: bool) -> np.ndarray:
        return rng.normal(size=(1, width)).astype(np.float32) * np.float32(is_there)

    return Signals(
        looked=np.array([looked]),
        statistics=row(5, looked),
        hashes=rng.integers(0, 2**64, 1, np.uint64),
        read=np.array([read]),
        words=row(3, read),
        lettering=rng.normal(size=1).astype(np.float32),
        embedded=np.array([embedded]),
        visual=row(4, embedded),
        glanced=np.array([glanced]),
        glance=row(4, glanced),
    )


@given(
    NUMBERS,
    st.integers(0, 2**32 - 1),
    st.integers(0, 99),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.none() | WISHES,
    st.binary(max_size=9),
)
def test_a_picture(
    number: int,
    length: int,
    place: int,
    flags: tuple[bool, bool, bool],
    wishes: frames.Wishes | None,
    data: bytes,
) -> None:
    order = Order(number, length, place, 224, 96, *flags, wishes)
    body = body_of(frames.picture(order, data), frames.PICTURE)
    found, behind = frames.read_picture(body)
    assert vars(found) == vars(order)
    assert behind == data


@given(NUMBERS, WISHES, st.binary(max_size=9))
def test_wishes_and_what_is_about_a_number(number: int, wishes: frames.Wishes, data: bytes) -> None:
    body = body_of(frames.wishes(number, wishes), frames.WISHES)
    assert frames.read_wishes(body) == (number, wishes)
    body = body_of(frames.about(frames.CATEGORY, number, data), frames.CATEGORY)
    assert frames.read_about(body) == (number, data)


@given(NUMBERS, st.text(max_size=40), st.integers(0, 3))
def test_a_refusal_says_what_was_wrong(number: int, text: str, kind: int) -> None:
    error = (UnreadablePicture, PictureTooLarge, PictureError, KeyError)[kind](text)
    found, said = frames.read_refused(body_of(frames.refused(number, error), frames.REFUSED))
    assert found == number
    if kind < 3:
        assert type(said) is type(error)
        assert str(said) == text
    else:
        assert isinstance(said, RuntimeError)
        assert "KeyError" in str(said)


@given(SEEN, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.booleans())
def test_a_picture_whose_pixels_are_wanted(
    seen: Seen, fingerprint: int, seed: int, inside: bool
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (6, 6, 3), np.uint8)
    statistics = rng.normal(size=len(STATISTICS)).astype(np.float32)
    look = Look(pixels, statistics, np.uint64(fingerprint))
    body = body_of(frames.looked(seen, look, inside), frames.LOOKED)
    found, same, mark, behind = frames.read_looked(body)
    assert found == seen or vars(found) == vars(seen)
    np.testing.assert_array_equal(same, statistics)
    assert mark == look.hash
    assert behind == (pixels.tobytes() if inside else b"")


@given(
    st.lists(
        st.tuples(
            SEEN,
            st.integers(0, 2**32 - 1),
            st.tuples(*[st.booleans()] * 4),
            st.lists(st.none() | ANSWERS, max_size=2),
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda one: one[0].number,
    )
)
def test_a_pass(
    given_: list[tuple[Seen, int, tuple[bool, bool, bool, bool], list[Answer | None]]],
) -> None:
    sent = [Passed(seen, signals(seed, there), answers) for seen, seed, there, answers in given_]
    wished = {one.seen.number: len(one.answers) for one in sent}
    body = body_of(frames.passed(sent, 0.125), frames.PASSED)
    found, seconds = frames.read_passed(body, wished.__getitem__)
    assert seconds == 0.125
    assert len(found) == len(sent)
    for one, other in zip(found, sent, strict=True):
        assert vars(one.seen) == vars(other.seen)
        assert one.answers == other.answers
        for name, rows in vars(other.signals).items():
            same = getattr(one.signals, name)
            np.testing.assert_array_equal(same, rows)
            assert same.dtype == rows.dtype
