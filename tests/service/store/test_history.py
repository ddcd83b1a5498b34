"""Versions and rollbacks."""

from __future__ import annotations

import pytest

from service.store import CategoryNotFound, Store, VersionNotFound
from tests.service.store.builders import MODEL, adapt, digest_of, picture, sha

pytestmark = pytest.mark.anyio


async def _three_versions(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1), picture(2, "placeholder")], adapt)
    await store.change_examples("t", "shoes", [picture(1, "placeholder"), picture(3)], adapt)
    second = (await store.list_examples("t", "shoes")).items[1]
    await store.remove_example("t", "shoes", second.id, adapt)


async def _set(store: Store) -> dict[str, str]:
    return {one.sha256: one.label for one in (await store.list_examples("t", "shoes")).items}


async def test_rollback_restores_set_and_adaptation_as_a_new_entry(store: Store) -> None:
    await _three_versions(store)
    version = await store.activate("t", "shoes", 1)
    assert (version.number, version.cause, version.source_version) == (4, "rollback", 1)
    assert version.active
    assert (version.placeholder_count, version.real_count) == (1, 1)
    assert (version.learner, version.model_sha256) == ("digest", MODEL)
    assert await _set(store) == {sha(1): "real", sha(2): "placeholder"}
    head = await store.head("t", "shoes")
    assert head.state == digest_of({1: "real", 2: "placeholder"})
    assert (head.version, head.etag) == (4, version.etag)
    category = await store.get_category("t", "shoes")
    assert (category.version, category.etag) == (4, version.etag)
    history = await store.list_versions("t", "shoes")
    assert [one.number for one in history] == [4, 3, 2, 1]
    assert [one.active for one in history] == [True, False, False, False]
    assert history[0] == version


async def test_upload_after_a_rollback_builds_on_the_restored_set(store: Store) -> None:
    await _three_versions(store)
    await store.activate("t", "shoes", 1)
    await store.change_examples("t", "shoes", [picture(4)], adapt)
    expected = {1: "real", 2: "placeholder", 4: "real"}
    assert (await store.head("t", "shoes")).state == digest_of(expected)


async def test_forward_again(store: Store) -> None:
    await _three_versions(store)
    await store.activate("t", "shoes", 1)
    await store.activate("t", "shoes", 3)
    assert (await store.head("t", "shoes")).state == digest_of({1: "placeholder", 3: "real"})
    assert await _set(store) == {sha(1): "placeholder", sha(3): "real"}


async def test_version_0_is_the_base_model(store: Store) -> None:
    await _three_versions(store)
    version = await store.activate("t", "shoes", 0)
    assert (version.number, version.source_version, version.learner) == (4, 0, None)
    head = await store.head("t", "shoes")
    assert head.state is None
    assert (head.version, head.known) == (4, True)
    assert await _set(store) == {}
    again = await store.activate("t", "shoes", 4)
    assert (again.number, again.source_version, again.learner) == (5, 4, None)
    change = await store.change_examples("t", "shoes", [picture(9)], adapt)
    assert change.added == 1
    assert (await store.head("t", "shoes")).state == digest_of({9: "real"})


async def test_activating_what_is_in_force_is_an_entry_too(store: Store) -> None:
    await _three_versions(store)
    before = await _set(store)
    version = await store.activate("t", "shoes", 3)
    assert (version.number, version.source_version) == (4, 3)
    assert await _set(store) == before


@pytest.mark.parametrize("number", [-1, 4, 2**31, 2**70])
async def test_no_such_version(store: Store, number: int) -> None:
    await _three_versions(store)
    with pytest.raises(VersionNotFound, match="0 to 3"):
        await store.activate("t", "shoes", number)
    assert (await store.get_category("t", "shoes")).version == 3


async def test_no_such_category(store: Store) -> None:
    for call in (
        store.activate("t", "none", 0),
        store.list_versions("t", "none"),
        store.list_examples("t", "none"),
        store.get_category("t", "none"),
        store.remove_example("t", "none", "x", adapt),
    ):
        with pytest.raises(CategoryNotFound, match="none"):
            await call


async def test_the_set_of_every_version_can_be_read_back(store: Store) -> None:
    await _three_versions(store)
    await store.activate("t", "shoes", 2)
    expected = {
        1: {1: "real", 2: "placeholder"},
        2: {1: "placeholder", 2: "placeholder", 3: "real"},
        3: {1: "placeholder", 3: "real"},
        4: {1: "placeholder", 2: "placeholder", 3: "real"},
    }
    from tests.service.store.builders import digest

    for number, labels in expected.items():
        matrix = await store.nearest("t", "shoes", number)
        assert digest(matrix.embeddings, matrix.is_placeholder) == digest_of(labels), number
