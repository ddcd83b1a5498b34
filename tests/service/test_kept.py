"""What is kept of a category, sent to another process."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.kept import Brief, Kept, from_bytes


def assert_same(found: Kept | Brief, sent: Kept | Brief) -> None:
    assert type(found) is type(sent)
    for name, value in vars(sent).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(found, name), value)
            assert getattr(found, name).dtype == value.dtype
        else:
            assert getattr(found, name) == value


@given(
    st.none() | st.binary(max_size=9),
    st.none() | st.text(max_size=9),
    st.none() | st.binary(max_size=9),
    st.lists(
        st.tuples(st.none() | st.binary(max_size=9), st.booleans(), st.booleans()), max_size=4
    ),
    st.integers(0, 2**32 - 1),
)
def test_all_that_the_store_has(
    state: bytes | None,
    learner: str | None,
    online: bytes | None,
    examples: list[tuple[bytes | None, bool, bool]],
    seed: int,
) -> None:
    shape = (len(examples), 3 if examples else 0)
    kept = Kept(
        state,
        learner,
        online,
        np.random.default_rng(seed).normal(size=shape).astype(np.float32),
        tuple(one for one, _, _ in examples),
        np.array([one for _, one, _ in examples], np.bool_),
        np.array([one for _, _, one in examples], np.bool_),
    )
    assert_same(from_bytes(kept.to_bytes()), kept)


@given(
    st.binary(max_size=9),
    st.none() | st.binary(max_size=9),
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2**64 - 1)),
        max_size=4,
    ),
)
def test_what_answering_takes(
    state: bytes, online: bytes | None, examples: list[tuple[bool, bool, bool, int]]
) -> None:
    flags = [np.array([one[i] for one in examples], np.bool_) for i in range(3)]
    hashes = np.array([one[3] for one in examples], np.uint64)
    brief = Brief(state, online, *flags, hashes)
    assert_same(from_bytes(brief.to_bytes()), brief)
