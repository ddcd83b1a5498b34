"""Adding, relabelling, removing and listing examples."""

from __future__ import annotations

import numpy as np
import pytest

from service.store import (
    Adaptation,
    BadCursor,
    CategoryNotFound,
    ExampleNotFound,
    InvalidRecord,
    NewExample,
    StaleEmbeddings,
    StaleVersion,
    Store,
    Support,
)
from tests.service.store.builders import (
    MODEL,
    OTHER_MODEL,
    adapt,
    adapt_with,
    digest_of,
    embedding,
    picture,
    sha,
    thumbnail,
)

pytestmark = pytest.mark.anyio


async def test_upload_creates_the_category_and_is_in_force(store: Store) -> None:
    change = await store.change_examples(
        "t", "shoes", [picture(1, "placeholder"), picture(2), picture(3)], adapt
    )
    assert (change.added, change.relabelled, change.unchanged, change.removed) == (3, 0, 0, 0)
    assert change.changed
    assert change.version.number == change.category.version == 1
    assert (change.category.placeholder_count, change.category.real_count) == (1, 2)
    assert (change.version.placeholder_count, change.version.real_count) == (1, 2)
    assert change.version.cause == "examples"
    assert change.version.quality == {"examples": 3}
    assert change.version.etag == change.category.etag
    head = await store.head("t", "shoes")
    assert head.state == digest_of({1: "placeholder", 2: "real", 3: "real"})
    assert (head.version, head.learner, head.model_sha256) == (1, "digest", MODEL)
    assert head.etag == change.category.etag
    assert await store.get_category("t", "shoes") == change.category


async def test_same_picture_same_label_makes_no_version(store: Store) -> None:
    first = await store.change_examples("t", "shoes", [picture(1), picture(2)], adapt)

    def never(support: Support) -> Adaptation:
        raise AssertionError("nothing changed, so nothing is to be adapted")

    again = await store.change_examples("t", "shoes", [picture(2), picture(1)], never)
    assert (again.added, again.relabelled, again.unchanged) == (0, 0, 2)
    assert not again.changed
    assert again.category == first.category
    assert again.version == first.version


async def test_other_label_relabels(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1), picture(2)], adapt)
    change = await store.change_examples(
        "t", "shoes", [picture(1, "placeholder"), picture(2), picture(3)], adapt, cause="feedback"
    )
    assert (change.added, change.relabelled, change.unchanged) == (1, 1, 1)
    assert change.version.cause == "feedback"
    assert (await store.head("t", "shoes")).state == digest_of(
        {1: "placeholder", 2: "real", 3: "real"}
    )


async def test_a_picture_twice_in_one_upload_counts_once(store: Store) -> None:
    change = await store.change_examples("t", "shoes", [picture(1), picture(1)], adapt)
    assert (change.added, change.unchanged, change.category.real_count) == (1, 1, 1)
    with pytest.raises(InvalidRecord, match="both labels"):
        await store.change_examples("t", "shoes", [picture(2), picture(2, "placeholder")], adapt)


async def test_nothing_to_add_leaves_version_0(store: Store) -> None:
    change = await store.change_examples("t", "shoes", [], adapt)
    assert not change.changed
    assert (change.version.number, change.version.cause) == (0, "base")
    assert change.version.active
    assert await store.list_versions("t", "shoes") == []


async def test_embeddings_come_back_to_the_bit(store: Store) -> None:
    extreme = np.array([0.0, -0.0, 1e-45, 3.4e38, -1 / 3, np.pi], np.float32)
    new = NewExample("real", sha(1), 10, 20, "PNG", extreme, b"webp")
    await store.change_examples("t", "shoes", [new], adapt)
    matrix = await store.nearest("t", "shoes", 1)
    assert matrix.embeddings.dtype == np.float32
    assert matrix.embeddings.tobytes() == extreme.tobytes()


async def test_other_float_widths_and_strides_are_stored_as_float32(store: Store) -> None:
    wide = np.arange(32, dtype=np.float64)[::2]
    new = NewExample("real", sha(1), 10, 20, "PNG", wide, b"webp")  # type: ignore[arg-type]
    await store.change_examples("t", "shoes", [new], adapt)
    np.testing.assert_array_equal(
        (await store.nearest("t", "shoes", 1)).embeddings, wide[None].astype(np.float32)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"label": "stand-in"},
        {"sha256": "xyz"},
        {"sha256": "A" * 64},
        {"embedding": np.zeros((2, 2), np.float32)},
        {"embedding": np.zeros(0, np.float32)},
        {"embedding": np.array([1, np.nan], np.float32)},
        {"width": 0},
        {"height": 2**31},
    ],
)
def test_impossible_example_is_refused_when_made(change: dict[str, object]) -> None:
    fields = vars(picture(1)) | change
    with pytest.raises(InvalidRecord):
        NewExample(**fields)


async def test_what_adapt_raises_comes_out_and_nothing_is_written(store: Store) -> None:
    class Impossible(Exception):
        pass

    def fail(support: Support) -> Adaptation:
        raise Impossible

    with pytest.raises(Impossible):
        await store.change_examples("t", "shoes", [picture(1)], fail)
    with pytest.raises(CategoryNotFound):
        await store.get_category("t", "shoes")
    before = (await store.change_examples("t", "shoes", [picture(1)], adapt)).category
    example = (await store.list_examples("t", "shoes")).items[0]
    for call in (
        store.change_examples("t", "shoes", [picture(2)], fail),
        store.relabel_example("t", "shoes", example.id, "placeholder", fail),
        store.remove_example("t", "shoes", example.id, fail),
    ):
        with pytest.raises(Impossible):
            await call
    assert await store.get_category("t", "shoes") == before
    assert [one.sha256 for one in (await store.list_examples("t", "shoes")).items] == [sha(1)]


async def test_quality_that_is_no_json_is_refused(store: Store) -> None:
    def not_a_number(support: Support) -> Adaptation:
        return Adaptation(b"", "digest", MODEL, {"auroc": float("nan")})

    with pytest.raises(InvalidRecord):
        await store.change_examples("t", "shoes", [picture(1)], not_a_number)


async def test_relabel_and_remove(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1), picture(2)], adapt)
    first, second = (await store.list_examples("t", "shoes")).items
    change = await store.relabel_example("t", "shoes", first.id, "placeholder", adapt)
    assert (change.relabelled, change.version.number, change.changed) == (1, 2, True)
    same = await store.relabel_example("t", "shoes", first.id, "placeholder", adapt)
    assert (same.unchanged, same.version.number, same.changed) == (1, 2, False)
    change = await store.remove_example("t", "shoes", second.id, adapt)
    assert (change.removed, change.version.number) == (1, 3)
    assert (await store.head("t", "shoes")).state == digest_of({1: "placeholder"})
    for call in (
        store.remove_example("t", "shoes", second.id, adapt),
        store.relabel_example("t", "shoes", second.id, "real", adapt),
        store.example_thumbnail("t", "shoes", second.id),
        store.remove_example("t", "shoes", "no such id", adapt),
    ):
        with pytest.raises(ExampleNotFound):
            await call
    with pytest.raises(InvalidRecord):
        await store.relabel_example("t", "shoes", first.id, "unsure", adapt)  # type: ignore[arg-type]


async def test_removing_the_last_example_adapts_to_nothing(store: Store) -> None:
    shapes = []

    def watch(support: Support) -> Adaptation:
        shapes.append(support.embeddings.shape)
        return adapt(support)

    await store.change_examples("t", "shoes", [picture(1)], watch)
    example = (await store.list_examples("t", "shoes")).items[0]
    change = await store.remove_example("t", "shoes", example.id, watch)
    assert shapes == [(1, 16), (0, 16)]
    assert (change.category.placeholder_count, change.category.real_count) == (0, 0)


async def test_a_removed_picture_comes_back_under_its_id(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1), picture(2)], adapt)
    first = (await store.list_examples("t", "shoes")).items[0]
    await store.remove_example("t", "shoes", first.id, adapt)
    change = await store.change_examples("t", "shoes", [picture(1, "placeholder")], adapt)
    assert (change.added, change.relabelled) == (1, 0)
    back = (await store.list_examples("t", "shoes")).items[0]
    assert (back.id, back.label, back.created) == (first.id, "placeholder", first.created)


async def test_examples_are_listed_in_the_order_they_came(store: Store) -> None:
    for start in range(0, 30, 10):
        pictures = [picture(number) for number in range(start, start + 10)]
        await store.change_examples("t", "shoes", pictures, adapt)
    seen = []
    cursor = None
    while True:
        page = await store.list_examples("t", "shoes", cursor, 7)
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [one.width - 100 for one in seen] == list(range(30))
    assert [one.sha256 for one in seen] == [sha(number) for number in range(30)]
    assert await store.example_thumbnail("t", "shoes", seen[3].id) == thumbnail(3)
    matrix = await store.nearest("t", "shoes", 3)
    assert list(matrix.ids) == [one.id for one in seen]
    np.testing.assert_array_equal(matrix.embeddings[7], embedding(7))
    with pytest.raises(BadCursor):
        await store.list_examples("t", "shoes", "nonsense")


async def test_if_match(store: Store) -> None:
    with pytest.raises(StaleVersion, match="does not exist"):
        await store.change_examples("t", "shoes", [picture(1)], adapt, only_if="*")
    with pytest.raises(CategoryNotFound):
        await store.get_category("t", "shoes")
    first = await store.change_examples("t", "shoes", [picture(1)], adapt)
    tag = first.category.etag
    for stale in ('"x"', tag.strip('"'), f"W/{tag}", "", "**", tag[:-2] + '9"'):
        with pytest.raises(StaleVersion, match="but the category is at"):
            await store.change_examples("t", "shoes", [picture(2)], adapt, only_if=stale)
    second = await store.change_examples("t", "shoes", [picture(2)], adapt, only_if=tag)
    with pytest.raises(StaleVersion):
        await store.change_examples("t", "shoes", [picture(3)], adapt, only_if=tag)
    example = (await store.list_examples("t", "shoes")).items[0]
    for call in (
        store.relabel_example("t", "shoes", example.id, "placeholder", adapt, only_if=tag),
        store.remove_example("t", "shoes", example.id, adapt, only_if=tag),
        store.activate("t", "shoes", 1, only_if=tag),
        store.delete_category("t", "shoes", only_if=tag),
    ):
        with pytest.raises(StaleVersion):
            await call
    assert await store.get_category("t", "shoes") == second.category
    either = f'"other", {second.category.etag}'
    third = await store.change_examples("t", "shoes", [picture(3)], adapt, only_if=either)
    fourth = await store.change_examples("t", "shoes", [picture(4)], adapt, only_if=" * ")
    assert (third.version.number, fourth.version.number) == (3, 4)


async def test_another_models_embeddings_are_not_mixed_in(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1), picture(2)], adapt)
    newer = adapt_with(OTHER_MODEL)
    with pytest.raises(StaleEmbeddings, match="2 of 3"):
        await store.change_examples("t", "shoes", [picture(3)], newer)
    # Another length gives the other model away before anything is fitted.
    with pytest.raises(StaleEmbeddings):
        await store.change_examples("t", "shoes", [picture(3, dim=8)], newer)
    stale = await store.stale_models(OTHER_MODEL)
    assert [(one.tenant, one.model_sha256, one.categories, one.examples) for one in stale] == [
        ("t", MODEL, 1, 2)
    ]
    assert await store.stale_models(MODEL) == []


async def test_uploading_again_renews_embeddings_after_a_change_of_model(store: Store) -> None:
    await store.change_examples("t", "shoes", [picture(1), picture(2)], adapt)
    newer = adapt_with(OTHER_MODEL)
    with pytest.raises(StaleEmbeddings, match="1 of 2"):
        await store.change_examples("t", "shoes", [picture(1, model_sha256=OTHER_MODEL)], newer)
    again = [picture(number, dim=8, model_sha256=OTHER_MODEL) for number in (1, 2)]
    change = await store.change_examples("t", "shoes", again, newer)
    assert (change.added, change.relabelled, change.unchanged) == (0, 0, 2)
    assert change.changed
    assert change.version.number == 2
    assert (await store.nearest("t", "shoes", 2)).embeddings.shape == (2, 8)
    assert await store.stale_models(OTHER_MODEL) == []
    rest = await store.change_examples("t", "shoes", again, newer)
    assert not rest.changed
