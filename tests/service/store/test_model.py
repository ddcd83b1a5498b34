"""The store against a plain model in memory: any sequence of operations, on both databases."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.store import (
    CategoryNotFound,
    ExampleNotFound,
    Label,
    NewExample,
    NotTaught,
    StaleVersion,
    Store,
    StoreError,
    Taught,
    VersionNotFound,
    Word,
    open_store,
)
from tests.service.store import builders
from tests.service.store.builders import MODEL, adapt, digest, score, sha

T = TypeVar("T")
NAMES = st.sampled_from(["shoes", "paint", "gift-cards"])
NUMBERS = st.integers(0, 7)
LABELS = st.sampled_from(["placeholder", "real"])


def exact(number: int) -> np.ndarray:
    """Shape (16,), of unit length and the same in float16, so that a score brings it unchanged."""
    signs = np.random.default_rng(number).choice([-0.25, 0.25], 16)
    return np.append(signs[:-1], [0.25]).astype(np.float32)


def picture(number: int, label: Label) -> NewExample:
    return replace(builders.picture(number, label), embedding=exact(number))


def digest_of(labels: dict[int, str]) -> bytes:
    vectors = np.array([exact(number) for number in labels], np.float32).reshape(-1, 16)
    return digest(vectors, np.array([one == "placeholder" for one in labels.values()], np.bool_))


@dataclass
class Entry:
    """One version: everything is copied, nothing is clever."""

    labels: dict[int, str]
    cause: str
    source: int | None
    base: bool  # the base model: no state


@dataclass
class Remembered:
    """One category."""

    title: str | None = None
    threshold: float | None = None
    history: list[Entry] = field(default_factory=lambda: [Entry({}, "base", None, True)])
    ids: dict[int, str] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)

    @property
    def now(self) -> Entry:
        return self.history[-1]

    @property
    def version(self) -> int:
        return len(self.history) - 1


class StoreAgainstModel(RuleBasedStateMachine):
    """Each run has tenants of its own, so that all runs may share one database."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.loop = asyncio.Runner()
        self.store: Store = open_store(url)
        self.tenants = [uuid.uuid4().hex, uuid.uuid4().hex]
        self.known: dict[tuple[str, str], Remembered] = {}

    def call(self, call: Awaitable[T]) -> T:
        async def run() -> T:
            return await call

        return self.loop.run(run())

    def teardown(self) -> None:
        self.call(self.store.close())
        self.loop.close()

    @initialize()
    def a_neighbour(self) -> None:
        """The second tenant has something under the same name, which must never change."""
        self.upload(1, "shoes", {3: "placeholder"}, None)

    @rule(
        which=st.integers(0, 1),
        name=NAMES,
        pictures=st.dictionaries(NUMBERS, LABELS, max_size=5),
        match=st.sampled_from([None, None, "*", "current", "stale"]),
    )
    def upload(self, which: int, name: str, pictures: dict[int, str], match: str | None) -> None:
        tenant = self.tenants[which]
        remembered = self.known.get((tenant, name))
        additions = [picture(number, label) for number, label in pictures.items()]  # type: ignore[arg-type]
        only_if = self.tag(remembered, match)

        def upload() -> Any:
            return self.call(
                self.store.change_examples(tenant, name, additions, adapt, only_if=only_if)
            )

        if only_if is not None and (remembered is None or match == "stale"):
            self.refused(upload, StaleVersion)
            return
        change = upload()
        remembered = self.known.setdefault((tenant, name), Remembered())
        before = remembered.now.labels
        added = [n for n in pictures if n not in before]
        relabelled = [n for n in pictures if n in before and before[n] != pictures[n]]
        assert change.added == len(added)
        assert change.relabelled == len(relabelled)
        assert change.unchanged == len(pictures) - len(added) - len(relabelled)
        assert change.changed == bool(added or relabelled)
        if change.changed:
            remembered.history.append(Entry(before | pictures, "examples", None, False))
        assert change.version.number == remembered.version
        self.remember_ids(tenant, name)

    @rule(
        which=st.integers(0, 1),
        said=st.lists(st.tuples(NAMES, NUMBERS, LABELS, st.booleans()), max_size=6),
    )
    def teach(self, which: int, said: list[tuple[str, int, Any, bool]]) -> None:
        """Words on scores that were given just now, or that nobody ever gave."""
        tenant = self.tenants[which]
        rows = [
            score(n, name, tenant, embedding=exact(n).astype("<f2").tobytes())
            for name, n, _, _ in said
        ]
        given = [row for row, (_, _, _, kept) in zip(rows, said, strict=True) if kept]
        self.call(self.store.record_scores(given))
        words = [Word(row.score_id, one[2]) for row, one in zip(rows, said, strict=True)]
        outcomes = self.call(self.store.teach(tenant, words, adapt, MODEL))
        last = {(name, n): label for name, n, label, kept in said if kept}
        done: set[tuple[str, int]] = set()
        changed = {}
        for name in {name for name, _ in last}:
            before = self.known.setdefault((tenant, name), Remembered()).now.labels
            labels = before | {n: label for (one, n), label in last.items() if one == name}
            if labels != before:
                changed[name] = before
                entry = Entry(labels, "feedback", None, False)
                self.known[tenant, name].history.append(entry)
        for (name, n, label, kept), outcome in zip(said, outcomes, strict=True):
            if not kept:
                assert isinstance(outcome, NotTaught)
                continue
            assert isinstance(outcome, Taught)
            assert outcome.version == self.known[tenant, name].version
            if label != last[name, n]:
                assert outcome.status == "superseded"
                continue
            before = changed.get(name, self.known[tenant, name].now.labels)
            if (name, n) in done or before.get(n) == label:
                assert outcome.status == "unchanged"
            else:
                assert outcome.status == ("relabelled" if n in before else "added")
            done.add((name, n))
        for name, _ in last:
            self.remember_ids(tenant, name)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), label=LABELS)
    def relabel(self, data: st.DataObject, label: Any) -> None:
        tenant, name, remembered = self.pick(data)
        number, example_id = self.pick_example(data, remembered)

        def relabel() -> Any:
            return self.call(self.store.relabel_example(tenant, name, example_id, label, adapt))

        if number not in remembered.now.labels:
            self.refused(relabel, ExampleNotFound)
            return
        change = relabel()
        assert change.changed == (remembered.now.labels[number] != label)
        if change.changed:
            labels = remembered.now.labels | {number: label}
            remembered.history.append(Entry(labels, "examples", None, False))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        tenant, name, remembered = self.pick(data)
        number, example_id = self.pick_example(data, remembered)

        def remove() -> Any:
            return self.call(self.store.remove_example(tenant, name, example_id, adapt))

        if number not in remembered.now.labels:
            self.refused(remove, ExampleNotFound)
            return
        assert remove().removed == 1
        labels = {n: label for n, label in remembered.now.labels.items() if n != number}
        remembered.history.append(Entry(labels, "examples", None, False))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def activate(self, data: st.DataObject) -> None:
        tenant, name, remembered = self.pick(data)
        number = data.draw(st.integers(0, remembered.version + 1))
        if number > remembered.version:
            self.refused(
                lambda: self.call(self.store.activate(tenant, name, number)), VersionNotFound
            )
            return
        version = self.call(self.store.activate(tenant, name, number))
        source = remembered.history[number]
        remembered.history.append(Entry(dict(source.labels), "rollback", number, source.base))
        assert version.number == remembered.version

    @rule(which=st.integers(0, 1), name=NAMES, title=st.none() | st.text("ab", max_size=2))
    def put(self, which: int, name: str, title: str | None) -> None:
        tenant = self.tenants[which]
        category, created = self.call(self.store.put_category(tenant, name, title=title))
        assert created == ((tenant, name) not in self.known)
        self.known.setdefault((tenant, name), Remembered()).title = title
        assert category.title == title

    @rule(which=st.integers(0, 1), name=NAMES, match=st.sampled_from([None, "*", "stale"]))
    def delete(self, which: int, name: str, match: str | None) -> None:
        tenant = self.tenants[which]
        remembered = self.known.get((tenant, name))
        only_if = self.tag(remembered, match)

        def delete() -> None:
            self.call(self.store.delete_category(tenant, name, only_if))

        if remembered is None:
            self.refused(delete, CategoryNotFound)
        elif match == "stale":
            self.refused(delete, StaleVersion)
        else:
            delete()
            del self.known[tenant, name]

    @rule()
    def reopen(self) -> None:
        self.call(self.store.close())
        self.store = open_store(self.url)

    @invariant()
    def everything_agrees(self) -> None:
        for tenant in self.tenants:
            names = sorted(name for one, name in self.known if one == tenant)
            page = self.call(self.store.list_categories(tenant))
            assert [category.name for category in page.items] == names
            heads = self.call(self.store.heads(tenant, ["shoes", "paint", "gift-cards"]))
            assert {name for name, head in heads.items() if head.known} == set(names)
            for category in page.items:
                remembered = self.known[tenant, category.name]
                labels = remembered.now.labels
                assert category.title == remembered.title
                assert category.version == remembered.version
                assert category.placeholder_count == list(labels.values()).count("placeholder")
                assert category.real_count == list(labels.values()).count("real")
                head = heads[category.name]
                assert head.version == remembered.version
                assert head.state == (None if remembered.now.base else digest_of(labels))
                remembered.tags.add(category.etag)
                assert len(remembered.tags) <= len(remembered.history)
                self.history_agrees(tenant, category.name, remembered)

    def history_agrees(self, tenant: str, name: str, remembered: Remembered) -> None:
        history = self.call(self.store.list_versions(tenant, name))
        assert [version.number for version in history] == list(range(remembered.version, 0, -1))
        for version in history:
            entry = remembered.history[version.number]
            values = list(entry.labels.values())
            assert (version.cause, version.source_version) == (entry.cause, entry.source)
            assert version.placeholder_count == values.count("placeholder")
            assert version.real_count == values.count("real")
            assert version.active == (version.number == remembered.version)
            matrix = self.call(self.store.nearest(tenant, name, version.number))
            assert digest(matrix.embeddings, matrix.is_placeholder) == digest_of(entry.labels)

    def remember_ids(self, tenant: str, name: str) -> None:
        """An id belongs to a picture of a category for good."""
        remembered = self.known[tenant, name]
        listed = {
            one.sha256: one for one in self.call(self.store.list_examples(tenant, name)).items
        }
        assert {h: one.label for h, one in listed.items()} == {
            sha(number): label for number, label in remembered.now.labels.items()
        }
        for number in remembered.now.labels:
            example_id = listed[sha(number)].id
            assert remembered.ids.setdefault(number, example_id) == example_id

    def pick(self, data: st.DataObject) -> tuple[str, str, Remembered]:
        # By the tenant's place, not by its random name: a run must be repeatable.
        known = sorted(self.known, key=lambda key: (self.tenants.index(key[0]), key[1]))
        tenant, name = data.draw(st.sampled_from(known), label="category")
        return tenant, name, self.known[tenant, name]

    def pick_example(self, data: st.DataObject, remembered: Remembered) -> tuple[int, str]:
        """Any example that the category ever had, in its active set or not, or none at all."""
        ids = {**remembered.ids, -1: "f" * 32}
        number = data.draw(st.sampled_from(sorted(ids)), label="example")
        return number, ids[number]

    def tag(self, remembered: Remembered | None, match: str | None) -> str | None:
        if match == "current" and remembered is not None:
            tenant, name = next(key for key, one in self.known.items() if one is remembered)
            return self.call(self.store.get_category(tenant, name)).etag
        return '"stale-1"' if match in ("stale", "current") else match

    def refused(self, call: Callable[[], Any], error: type[StoreError]) -> None:
        with pytest.raises(error):
            call()


def test_the_store_does_what_the_model_does(url: str) -> None:
    open_and_close = open_store(url)
    asyncio.run(open_and_close.close())
    run_state_machine_as_test(
        lambda: StoreAgainstModel(url),
        settings=settings(max_examples=12, stateful_step_count=20, deadline=None),
    )


@pytest.mark.slow
def test_the_store_does_what_the_model_does_for_long(url: str) -> None:
    run_state_machine_as_test(
        lambda: StoreAgainstModel(url),
        settings=settings(max_examples=100, stateful_step_count=40, deadline=None),
    )
