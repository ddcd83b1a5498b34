"""The teacher's words: what becomes of each, alone, together, late, and against each other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from service.store import (
    Adaptation,
    CategoryDeleted,
    CategoryNotFound,
    Idempotency,
    InvalidRecord,
    NotTaught,
    ScoreNotFound,
    ScoreRow,
    StaleEmbeddings,
    StaleScore,
    Store,
    StoredAnswer,
    Support,
    Taught,
    ThumbnailNotKept,
    Word,
    open_store,
)
from tests.service.store.builders import (
    MODEL,
    OTHER_MODEL,
    PATIENT,
    adapt,
    adapt_with,
    digest_of,
    halved,
    picture,
    score,
    sha,
    thumbnail,
)

pytestmark = pytest.mark.anyio


async def teach(
    store: Store, *said: tuple[ScoreRow, str], adapt: Any = adapt
) -> list[Taught | NotTaught]:
    """Keep the scores, then speak about them."""
    rows = {row.score_id: row for row, _ in said}
    known = await store.scores("t", list(rows))
    await store.record_scores([row for score_id, row in rows.items() if score_id not in known])
    words = [Word(row.score_id, label) for row, label in said]  # type: ignore[arg-type]
    return list(await store.teach("t", words, adapt, MODEL))


def told(outcomes: Sequence[Taught | NotTaught]) -> list[tuple[str, int] | type[Exception]]:
    return [
        (one.status, one.version) if isinstance(one, Taught) else type(one.error)
        for one in outcomes
    ]


async def test_a_word_makes_an_example_and_a_category(store: Store) -> None:
    row = score(1, probability=0.125)
    (taught,) = await teach(store, (row, "real"))
    assert isinstance(taught, Taught)
    assert (taught.status, taught.version, taught.score) == ("added", 1, row)
    (version,) = await store.list_versions("t", "shoes")
    assert (version.cause, version.quality, version.active) == ("feedback", {"examples": 1}, True)
    (example,) = (await store.list_examples("t", "shoes")).items
    assert (example.label, example.sha256, example.origin) == ("real", sha(1), "teacher")
    assert (example.width, example.height, example.format) == (101, 80, "JPEG")
    head = await store.head("t", "shoes")
    assert head.state == digest_of({1: "real"}, scored={1})
    matrix = await store.nearest("t", "shoes", 1)
    np.testing.assert_array_equal(matrix.embeddings, halved(1)[None])
    with pytest.raises(ThumbnailNotKept, match="feedback"):
        await store.example_thumbnail("t", "shoes", example.id)


async def test_a_score_brings_its_embedding_back_in_unit_length(store: Store) -> None:
    whole = picture(1).embedding / np.linalg.norm(picture(1).embedding)
    await teach(store, (score(1, embedding=whole.astype("<f2").tobytes()), "real"))
    found = (await store.nearest("t", "shoes", 1)).embeddings[0]
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found, whole, atol=1e-3)
    assert found @ whole > 1 - 1e-6


async def test_the_latest_word_counts_and_a_repeated_one_changes_nothing(store: Store) -> None:
    row = score(1)
    assert told(await teach(store, (row, "real"))) == [("added", 1)]

    def never(support: Support) -> Adaptation:
        raise AssertionError("nothing changed, so nothing is to be adapted")

    assert told(await teach(store, (row, "real"), adapt=never)) == [("unchanged", 1)]
    # Another score of the same picture says nothing that is new.
    assert told(await teach(store, (score(1), "real"), adapt=never)) == [("unchanged", 1)]
    assert told(await teach(store, (row, "placeholder"))) == [("relabelled", 2)]
    assert (await store.head("t", "shoes")).state == digest_of({1: "placeholder"}, scored={1})
    # One label later, but of an earlier score: it is the word that is late, not the picture.
    assert told(await teach(store, (row, "real"))) == [("relabelled", 3)]


async def test_words_relabel_what_was_uploaded_and_come_back_after_a_removal(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1), picture(2)], adapt)
    assert told(await teach(store, (score(1), "placeholder"))) == [("relabelled", 2)]
    first, second = (await store.list_examples("t", "shoes")).items
    assert (first.label, first.origin) == ("placeholder", "upload")
    assert await store.example_thumbnail("t", "shoes", first.id) == thumbnail(1)
    await store.remove_example("t", "shoes", second.id, adapt)
    assert told(await teach(store, (score(2), "real"))) == [("added", 4)]
    assert (await store.head("t", "shoes")).state == digest_of({1: "placeholder", 2: "real"})


async def test_one_version_a_category_whatever_the_number_of_words(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1), picture(2)], adapt)
    said = [(score(number, ("shoes", "paint")[number % 2]), "placeholder") for number in range(10)]
    outcomes = told(await teach(store, *said))
    assert outcomes == [
        (("relabelled" if n == 2 else "added"), 1 if n % 2 else 2) for n in range(10)
    ]
    assert [v.cause for v in await store.list_versions("t", "shoes")] == ["feedback", "examples"]
    assert [v.cause for v in await store.list_versions("t", "paint")] == ["feedback"]


async def test_within_one_call_the_last_word_on_a_picture_counts(store: Store) -> None:
    one, other = score(1), score(1)
    outcomes = await teach(
        store, (one, "real"), (other, "placeholder"), (one, "placeholder"), (score(2), "real")
    )
    assert told(outcomes) == [("superseded", 1), ("added", 1), ("unchanged", 1), ("added", 1)]
    state = digest_of({1: "placeholder", 2: "real"}, scored={1, 2})
    assert (await store.head("t", "shoes")).state == state
    # There and back again is no change at all.
    outcomes = await teach(store, (one, "real"), (other, "placeholder"))
    assert told(outcomes) == [("superseded", 1), ("unchanged", 1)]


async def test_what_cannot_be_taken_leaves_its_neighbours_alone(store: Store) -> None:
    theirs = score(1, tenant="theirs")
    await store.record_scores([theirs])
    unknown = score(2)
    odd = [
        score(3, model_sha256=None),
        score(4, model_sha256=OTHER_MODEL),
        score(5, embedding=b""),
        score(6, width=None),
    ]
    good = score(7)
    await store.record_scores([*odd, good])
    words = [Word(row.score_id, "real") for row in (theirs, unknown, *odd, good)]
    outcomes = await store.teach("t", words, adapt, MODEL)
    assert told(outcomes) == [ScoreNotFound] * 2 + [StaleScore] * 4 + [("added", 1)]
    assert [one.word for one in outcomes] == words
    assert (await store.head("t", "shoes")).state == digest_of({7: "real"}, scored={7})
    assert not (await store.head("theirs", "shoes")).known


async def test_a_label_that_is_none_is_refused(store: Store) -> None:
    row = score(1)
    await store.record_scores([row])
    with pytest.raises(InvalidRecord):
        await store.teach("t", [Word(row.score_id, "unsure")], adapt, MODEL)  # type: ignore[arg-type]
    assert not (await store.head("t", "shoes")).known


async def test_a_deleted_category_is_not_brought_back(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    head = await store.head("t", "shoes")
    row = score(2, version=1, category_id=head.category_id)
    await store.record_scores([row])
    await store.delete_category("t", "shoes")
    other = score(3, "paint")
    assert told(await teach(store, (row, "real"), (other, "real"))) == [
        CategoryDeleted,
        ("added", 1),
    ]
    with pytest.raises(CategoryNotFound):
        await store.get_category("t", "shoes")
    # Nor does its score speak about another one of its name.
    await store.change_examples("t", "shoes", [picture(9)], adapt)
    assert told(await teach(store, (row, "real"))) == [CategoryDeleted]
    assert (await store.get_category("t", "shoes")).version == 1


async def test_the_learner_hears_what_was_answered_then(store: Store) -> None:
    supports: list[Support] = []

    def listen(support: Support) -> Adaptation:
        supports.append(support)
        return adapt(support)

    await store.change_examples("t", "shoes", [picture(1), picture(2)], listen)
    late = score(3, version=0, probability=0.25, answers=b"early answers", signals=b"three")
    again = score(2, version=1, probability=0.5, answers=None)
    same = score(1, version=1, probability=0.875)
    await teach(store, (late, "placeholder"), (again, "placeholder"), (same, "real"), adapt=listen)
    assert supports[0].feedback == ()
    support = supports[1]
    # Newest last: picture 1 keeps its place, 2 has a new label, 3 is new.
    np.testing.assert_array_equal(
        support.embeddings, np.array([picture(1).embedding, picture(2).embedding, halved(3)])
    )
    assert support.is_placeholder.tolist() == [False, True, True]
    assert support.signals == (None, None, b"three")
    assert [
        (one.row, one.label, one.probability, one.version, one.answers) for one in support.feedback
    ] == [(2, "placeholder", 0.25, 0, b"early answers"), (1, "placeholder", 0.5, 1, None)]


def learning_online(support: Support) -> Adaptation:
    """Appends what it hears to what it knew."""
    heard = b"".join(one.answers or b"?" for one in support.feedback)
    online = (support.previous_online or b"") + heard
    found = adapt(support)
    return Adaptation(found.state, found.learner, found.model_sha256, None, online or None)


async def test_online_weights_are_carried_along_and_rolled_back(store: Store) -> None:
    async def online() -> bytes | None:
        return (await store.head("t", "shoes")).online

    await store.change_examples("t", "shoes", [picture(1)], adapt)
    assert await online() is None
    await teach(store, (score(2, answers=b"a"), "real"), adapt=learning_online)
    assert await online() == b"a"
    # A learner that says nothing about them leaves them as they are.
    await store.change_examples("t", "shoes", [picture(3)], adapt)
    example = (await store.list_examples("t", "shoes")).items[0]
    await store.relabel_example("t", "shoes", example.id, "placeholder", adapt)
    await store.remove_example("t", "shoes", example.id, adapt)
    assert await online() == b"a"
    await teach(
        store,
        (score(4, answers=b"b"), "real"),
        (score(5), "placeholder"),
        (score(6, answers=b"c"), "real"),
        adapt=learning_online,
    )
    assert await online() == b"ab?c"
    assert (await store.head("t", "shoes")).version == 6
    for number, expected in ((2, b"a"), (1, None), (6, b"ab?c"), (0, None)):
        await store.activate("t", "shoes", number)
        assert await online() == expected
    await store.activate("t", "shoes", 2)
    await teach(store, (score(7, answers=b"d"), "real"), adapt=learning_online)
    assert await online() == b"ad"


async def test_an_adaptation_may_clear_the_online_weights(store: Store) -> None:
    await teach(store, (score(1, answers=b"a"), "real"), adapt=learning_online)

    def clear(support: Support) -> Adaptation:
        assert support.previous_online == b"a"
        found = adapt(support)
        return Adaptation(found.state, found.learner, found.model_sha256, None, None)

    await store.change_examples("t", "shoes", [picture(2)], clear)
    assert (await store.head("t", "shoes")).online is None


async def test_uploading_the_picture_of_a_word_adds_its_thumbnail(store: Store) -> None:
    await teach(store, (score(1), "real"))
    before = await store.get_category("t", "shoes")
    change = await store.change_examples("t", "shoes", [picture(1)], adapt)
    assert (change.unchanged, change.changed) == (1, False)
    (example,) = (await store.list_examples("t", "shoes")).items
    assert example.origin == "upload"
    assert await store.example_thumbnail("t", "shoes", example.id) == thumbnail(1)
    assert await store.get_category("t", "shoes") == before
    # The embedding is the one that was adapted to.
    assert (await store.head("t", "shoes")).state == digest_of({1: "real"}, scored={1})
    assert not (await store.change_examples("t", "shoes", [picture(1)], adapt)).changed


async def test_what_adapt_raises_takes_every_category_back(store: Store) -> None:
    class Impossible(Exception):
        pass

    def fail_the_second(support: Support) -> Adaptation:
        if len(support.embeddings) == 2:
            raise Impossible
        return adapt(support)

    said = [(score(1, "boots"), "real"), (score(2), "real"), (score(3), "real")]
    with pytest.raises(Impossible):
        await teach(store, *said, adapt=fail_the_second)
    assert (await store.list_categories("t")).items == []
    assert told(await teach(store, *said)) == [("added", 1)] * 3


async def test_a_category_of_another_model_costs_its_neighbours_nothing(store: Store) -> None:
    await store.change_examples("t", "paint", [picture(1)], adapt_with(OTHER_MODEL))
    outcomes = await teach(
        store, (score(2, "paint"), "real"), (score(3), "real"), (score(4, "paint"), "real")
    )
    assert told(outcomes) == [StaleEmbeddings, ("added", 1), StaleEmbeddings]
    assert (await store.get_category("t", "paint")).version == 1
    assert len((await store.list_examples("t", "paint")).items) == 1


async def test_the_answer_to_repeat_is_kept_with_the_words(store: Store) -> None:
    rows = [score(1), score(2, "paint")]
    await store.record_scores(rows)
    words = [Word(row.score_id, "real") for row in rows]
    assert await store.idempotent_begin("t", "POST feedback", "k", "f") is None

    def answer(outcomes: Sequence[Taught | NotTaught]) -> StoredAnswer:
        return StoredAnswer(200, {}, repr(told(outcomes)).encode())

    await store.teach(
        "t", words, adapt, MODEL, idempotency=Idempotency("POST feedback", "k", answer)
    )
    kept = await store.idempotent_begin("t", "POST feedback", "k", "f")
    assert kept is not None
    assert kept.body == b"[('added', 1), ('added', 1)]"


async def test_teachers_who_meet_all_have_their_entries(store: Store, url: str) -> None:
    """Each call is about the same categories in another order: none may wait for ever."""
    other = open_store(url, PATIENT)
    names = ["a", "b", "c"]
    calls = []
    for turn in range(12):
        order = names if turn % 2 else names[::-1]
        rows = [score(3 * turn + place, name) for place, name in enumerate(order)]
        await store.record_scores(rows)
        words = [Word(row.score_id, "real") for row in rows]
        calls.append((store, other)[turn % 2].teach("t", words, adapt, MODEL))
    outcomes = await asyncio.gather(*calls)
    for name in names:
        versions = [
            one.version
            for call in outcomes
            for one in call
            if isinstance(one, Taught) and one.score.category == name
        ]
        assert sorted(versions) == list(range(1, 13))
        assert (await other.get_category("t", name)).real_count == 12
    await other.close()


async def test_more_words_than_a_statement_takes_parameters(store: Store) -> None:
    rows = [score(number) for number in range(1200)]
    await store.record_scores(rows)
    words = [Word(row.score_id, "placeholder") for row in rows]
    outcomes = await store.teach("t", words, adapt, MODEL)
    assert told(outcomes) == [("added", 1)] * 1200
