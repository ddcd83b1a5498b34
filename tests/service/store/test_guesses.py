"""Guesses among the examples: told apart, never above the teacher's word, and undone by it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from service.store import (
    Adaptation,
    Change,
    Counts,
    Label,
    NewExample,
    ScoreRow,
    StaleVersion,
    Store,
    Support,
    Taught,
    Undenied,
    Word,
    example_of,
    new_ids,
    open_store,
)
from tests.service.store.builders import (
    MODEL,
    OTHER_MODEL,
    PATIENT,
    adapt,
    adapt_with,
    digest_of,
    embedding,
    picture,
    score,
    sha,
)

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def guess(number: int, label: Label = "real") -> NewExample:
    return replace(picture(number, label, model_sha256=MODEL), origin="guess", thumbnail=None)


async def taught(store: Store, category: str = "shoes") -> Change:
    """Two of the teacher's of each label: 1 and 2 real, 3 and 4 placeholders."""
    given = [
        picture(n, "real" if n < 3 else "placeholder", model_sha256=MODEL) for n in (1, 2, 3, 4)
    ]
    return await store.change_examples("t", category, given, adapt)


async def guessed(store: Store, *guesses: NewExample) -> Change:
    return await store.change_examples("t", "shoes", guesses, adapt, cause="guesses")


async def say(store: Store, number: int, label: Label, judge: Callable[..., Adaptation]) -> Taught:
    row = score(number)
    await store.record_scores([row])
    (outcome,) = await store.teach("t", [Word(row.score_id, label)], judge, MODEL)
    assert isinstance(outcome, Taught)
    return outcome


async def origins(store: Store) -> dict[str, tuple[str, str]]:
    items = (await store.list_examples("t", "shoes")).items
    return {one.sha256: (one.label, one.origin) for one in items}


async def causes(store: Store) -> list[str]:
    return [one.cause for one in reversed(await store.list_versions("t", "shoes"))]


def losing(nats: float, most: float = 3.0) -> Callable[[Support], Adaptation]:
    """A learner by which guesses lose so much on each word."""

    def judged(support: Support) -> Adaptation:
        found = adapt(support)
        trial = support.trial
        if trial is None:
            return found
        lost = trial.lost + nats * len(trial.words.is_placeholder)
        return replace(found, guess_loss=lost, drops_guesses=lost > most)

    return judged


async def test_guesses_are_told_apart_in_one_version_of_their_own(store: Store) -> None:
    await taught(store)
    seen: list[Support] = []

    def watching(support: Support) -> Adaptation:
        seen.append(support)
        return adapt(support)

    change = await store.change_examples(
        "t", "shoes", [guess(5), guess(6, "placeholder")], watching, cause="guesses"
    )
    assert (change.added, change.version.cause) == (2, "guesses")
    assert (change.category.placeholder_count, change.category.real_count) == (3, 3)
    found = await origins(store)
    assert found[sha(5)] == ("real", "guess")
    assert found[sha(6)] == ("placeholder", "guess")
    assert found[sha(1)] == ("real", "upload")
    # They are learned from before what the teacher said, of which the newest is last.
    (support,) = seen
    assert support.guessed is not None
    assert support.guessed.tolist() == [True] * 2 + [False] * 4
    assert support.trial is None
    head = await store.head("t", "shoes")
    matrix = await store.nearest("t", "shoes", head.version)
    assert matrix.is_guess.sum() == 2
    assert not (await store.nearest("t", "shoes", 1)).is_guess.any()
    # By hand they go like any other.
    example = next(
        one for one in (await store.list_examples("t", "shoes")).items if one.sha256 == sha(5)
    )
    assert (await store.remove_example("t", "shoes", example.id, adapt)).removed == 1
    assert sha(5) not in await origins(store)


async def test_a_guess_changes_no_example_that_is_there(store: Store) -> None:
    await taught(store)
    change = await guessed(store, guess(1), guess(2, "placeholder"))
    assert (change.changed, change.unchanged) == (False, 2)
    await guessed(store, guess(5))
    change = await guessed(store, guess(5, "placeholder"), guess(6))
    assert (change.added, change.unchanged) == (1, 1)
    assert (await origins(store))[sha(5)] == ("real", "guess")


@pytest.mark.parametrize("label", ["real", "placeholder"])
@pytest.mark.parametrize("way", ["feedback", "upload", "relabel"])
async def test_the_teacher_s_word_takes_the_place_of_a_guess(
    store: Store, way: str, label: Label
) -> None:
    await taught(store)
    await guessed(store, guess(5))
    if way == "feedback":
        outcome = await say(store, 5, label, adapt)
        assert outcome.status == ("added" if label == "real" else "relabelled")
    elif way == "upload":
        new = picture(5, label, model_sha256=MODEL)
        change = await store.change_examples("t", "shoes", [new], adapt)
        assert (change.added, change.relabelled) == ((1, 0) if label == "real" else (0, 1))
    else:
        items = (await store.list_examples("t", "shoes")).items
        example = next(one.id for one in items if one.sha256 == sha(5))
        change = await store.relabel_example("t", "shoes", example, label, adapt)
        assert (change.added, change.relabelled) == ((1, 0) if label == "real" else (0, 1))
        # And the same word again is none.
        again = await store.relabel_example("t", "shoes", example, label, adapt)
        assert not again.changed
    origin = "upload" if way == "upload" else "teacher"
    assert (await origins(store))[sha(5)] == (label, origin)
    head = await store.head("t", "shoes")
    assert head.version == 3
    assert not (await store.nearest("t", "shoes", 3)).guessed
    labels = {1: "real", 2: "real", 3: "placeholder", 4: "placeholder", 5: label}
    assert head.state == digest_of(labels)


async def test_words_on_other_pictures_try_the_guesses(store: Store) -> None:
    await taught(store)
    await guessed(store, guess(5), guess(6, "placeholder"))
    seen: list[Support] = []

    def watching(support: Support) -> Adaptation:
        seen.append(support)
        return losing(1.0)(support)

    # 5 is a guess itself and 1 an example: both are left out of what is tried.
    new = [picture(n, "placeholder", model_sha256=MODEL) for n in (5, 1, 7)]
    change = await store.change_examples("t", "shoes", new, watching)
    assert (change.added, change.relabelled, change.undone) == (1, 2, 0)
    trial = seen[0].trial
    assert trial is not None
    assert trial.lost == 0
    np.testing.assert_array_equal(
        trial.before.embeddings, np.array([embedding(n) for n in (6, 2, 3, 4)])
    )
    assert trial.before.guessed is not None
    assert trial.before.guessed.tolist() == [True, False, False, False]
    np.testing.assert_array_equal(
        trial.words.embeddings, np.array([embedding(n) for n in (5, 1, 7)])
    )
    assert trial.words.is_placeholder.all()
    # What was lost is kept, also over changes that are no words, until it is too much.
    items = (await store.list_examples("t", "shoes")).items
    await store.remove_example("t", "shoes", items[1].id, watching)
    assert seen[-1].trial is None
    await say(store, 8, "real", watching)
    assert seen[-2].trial is not None
    assert seen[-2].trial.lost == 3
    assert await causes(store) == [
        "examples",
        "guesses",
        "examples",
        "examples",
        "feedback",
        "guard",
    ]


async def test_the_guard_removes_them_all_in_the_same_commit(store: Store) -> None:
    await taught(store)
    await guessed(store, guess(5), guess(6, "placeholder"))
    assert (await say(store, 7, "real", losing(2))).undone == 0
    outcome = await say(store, 8, "real", losing(2))
    assert (outcome.undone, outcome.version, outcome.status) == (2, 5, "added")
    assert await causes(store) == ["examples", "guesses", "feedback", "feedback", "guard"]
    head = await store.head("t", "shoes")
    assert (head.version, head.placeholder_count, head.real_count) == (5, 2, 4)
    labels = {1: "real", 2: "real", 3: "placeholder", 4: "placeholder", 7: "real", 8: "real"}
    assert head.state == digest_of(labels, {7, 8})
    assert {origin for _, origin in (await origins(store)).values()} == {"upload", "teacher"}
    # Nothing is left to be judged, or to lose.
    assert (await say(store, 9, "real", losing(9))).undone == 0
    # Each version is there to go back to, with what was a guess then and what it had lost.
    await store.activate("t", "shoes", 3)
    assert (await origins(store))[sha(6)] == ("placeholder", "guess")
    assert (await say(store, 10, "real", losing(2))).undone == 2
    await store.activate("t", "shoes", 1)
    labels = {1: "real", 2: "real", 3: "placeholder", 4: "placeholder"}
    assert (await store.head("t", "shoes")).state == digest_of(labels)
    assert (await say(store, 11, "real", losing(9))).undone == 0


@pytest.mark.parametrize("way", ["upload", "relabel"])
async def test_uploads_and_labels_that_are_set_are_words_too(store: Store, way: str) -> None:
    first = await taught(store)
    await guessed(store, guess(5))
    if way == "upload":
        change = await store.change_examples(
            "t", "shoes", [picture(7, model_sha256=MODEL)], losing(4)
        )
    else:
        example = (await store.list_examples("t", "shoes")).items[0]
        change = await store.relabel_example("t", "shoes", example.id, "placeholder", losing(4))
    assert (change.undone, change.version.cause, change.version.number) == (1, "guard", 4)
    assert change.category.version == 4
    assert change.category.etag == (await store.get_category("t", "shoes")).etag
    assert change.category.created == first.category.created


async def test_guesses_of_other_weights_do_not_stand_in_the_way(store: Store) -> None:
    await taught(store)
    await guessed(store, guess(5))
    again = [
        picture(n, "real" if n < 3 else "placeholder", model_sha256=OTHER_MODEL)
        for n in (1, 2, 3, 4)
    ]
    change = await store.change_examples("t", "shoes", again, adapt_with(OTHER_MODEL))
    assert (change.changed, change.category.real_count, change.undone) == (True, 2, 0)
    assert sha(5) not in await origins(store)


KILLED = """
import asyncio, os, signal, sys
from service.store import Word, open_store
from tests.service.store.builders import MODEL, PATIENT
from tests.service.store.test_guesses import losing

def dies(support):
    if support.guessed is None:
        os.kill(os.getpid(), signal.SIGKILL)  # while the guard's version is being made
    return losing(9)(support)

async def main(url, score_id):
    await open_store(url, PATIENT).teach("t", [Word(score_id, "real")], dies, MODEL)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_process_that_dies_has_neither_learned_the_word_nor_undone_guesses(
    store: Store, url: str
) -> None:
    await taught(store)
    await guessed(store, guess(5), guess(6, "placeholder"))
    row = score(7)
    await store.record_scores([row])
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, url, row.score_id], cwd=ROOT, check=False
    )
    assert died.returncode == -9
    assert await causes(store) == ["examples", "guesses"]
    (outcome,) = await store.teach("t", [Word(row.score_id, "real")], losing(9), MODEL)
    assert isinstance(outcome, Taught)
    assert (outcome.version, outcome.undone) == (4, 2)


async def test_of_two_that_guess_at_once_one_does(store: Store, url: str) -> None:
    other = open_store(url, PATIENT)
    tag = (await taught(store)).category.etag
    new = [guess(5), guess(6, "placeholder")]
    outcomes = await asyncio.gather(
        *(
            one.change_examples("t", "shoes", new, adapt, only_if=tag, cause="guesses")
            for one in (store, other, store, other)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(one, StaleVersion) for one in outcomes) == 3
    # And without a version named, the pictures still come once.
    again = await asyncio.gather(
        *(one.change_examples("t", "shoes", new, adapt) for one in (store, other))
    )
    assert not any(one.changed for one in again)
    assert len((await store.list_examples("t", "shoes")).items) == 6
    assert await causes(store) == ["examples", "guesses"]
    await other.close()


def kept(number: int, **given: object) -> ScoreRow:
    fields: dict[str, object] = {"probability": 0.99, "created": NOON}
    return score(number, **(fields | given))  # type: ignore[arg-type]


async def ids(store: Store, before: datetime = NOON, limit: int = 100) -> list[str]:
    found: list[Undenied] = []
    while True:
        page = await store.undenied(before, 0.98, found[-1] if found else None, limit)
        found += page
        if len(page) < limit:
            return [one.score_id for one in found]


async def test_what_nobody_denied_is_sure_old_and_never_was_an_example(store: Store) -> None:
    await taught(store)
    await store.change_examples("u", "shoes", [picture(1), picture(2, "placeholder")], adapt)
    await store.change_examples("t", "one-sided", [picture(1)], adapt)
    await guessed(store, guess(5))
    removed = (await store.list_examples("t", "shoes")).items[-1]
    await store.remove_example("t", "shoes", removed.id, adapt)
    good = [
        kept(10, created=NOON - timedelta(hours=2)),
        kept(11, created=NOON - timedelta(hours=1), probability=0.01, decision="real"),
        kept(12, tenant="u", score_id=new_ids(1)[0]),
        kept(12),
    ]
    bad = [
        kept(13, created=NOON + timedelta(seconds=1)),
        kept(14, probability=0.97),
        kept(15, probability=0.025, decision="real"),
        kept(16, decision="unsure"),
        kept(1),
        kept(5),  # a guess that was removed
        kept(17, category="one-sided"),
        kept(18, category="never-named"),
    ]
    await store.record_scores([*bad, *good])
    expected = [one.score_id for one in [*good[:2], good[3], good[2]]]  # oldest first, by tenant
    assert await ids(store) == expected
    for limit in (1, 2, 3):
        assert await ids(store, limit=limit) == expected
    assert await ids(store, NOON - timedelta(hours=3)) == []
    # A word takes its picture out.
    await store.teach("t", [Word(good[0].score_id, "real")], adapt, MODEL)
    assert await ids(store) == expected[1:]


async def test_a_category_s_standing_counts_words_since_the_guard(store: Store) -> None:
    await taught(store)
    await guessed(store, guess(5))
    found = await store.standing("t", "shoes")
    assert (found.taught, found.guessed) == (Counts(2, 2), Counts(0, 1))
    assert found.words_since_guard is None
    assert found.etag == (await store.get_category("t", "shoes")).etag
    assert (await say(store, 6, "real", losing(9))).undone == 1
    assert (await store.standing("t", "shoes")).words_since_guard == 0
    await say(store, 7, "real", adapt)
    await say(store, 7, "placeholder", adapt)
    await say(store, 7, "placeholder", adapt)  # nothing new
    await store.change_examples("t", "shoes", [picture(8), picture(9)], adapt)
    await store.activate("t", "shoes", 2)  # no word, though it puts back a guess
    found = await store.standing("t", "shoes")
    assert (found.words_since_guard, found.guessed) == (4, Counts(0, 1))


def test_an_example_of_a_score_says_where_it_comes_from() -> None:
    found = example_of(score(1), "real", "guess")
    assert found is not None
    assert (found.origin, found.label, found.thumbnail) == ("guess", "real", None)
    assert example_of(score(1, width=None), "real", "guess") is None
