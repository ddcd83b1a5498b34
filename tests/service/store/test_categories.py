"""Categories: settings, pages, deletion, tenants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.store import (
    BadCursor,
    CategoryNotFound,
    InvalidRecord,
    StaleVersion,
    Store,
)
from service.store.cursors import decode_cursor, encode_cursor
from tests.service.store.builders import adapt, picture

pytestmark = pytest.mark.anyio


async def test_put_creates_then_changes_only_what_is_given(store: Store) -> None:
    first, created = await store.put_category("t", "shoes", title="Shoes", threshold=0.7)
    assert created
    assert (first.version, first.placeholder_count, first.real_count) == (0, 0, 0)
    second, created = await store.put_category("t", "shoes", unsure_band=0.1)
    assert not created
    assert (second.title, second.threshold, second.unsure_band) == ("Shoes", 0.7, 0.1)
    third, _ = await store.put_category("t", "shoes", title=None)
    assert (third.title, third.threshold) == (None, 0.7)
    assert third == await store.get_category("t", "shoes")
    assert first.created == third.created < third.updated
    # Settings are no adaptation: a writer who saw the version before may still go on.
    assert first.etag == third.etag


async def test_put_without_change_leaves_the_time_alone(store: Store) -> None:
    first, _ = await store.put_category("t", "shoes", title="Shoes")
    again, created = await store.put_category("t", "shoes", title="Shoes")
    assert not created
    assert again == first


async def test_put_with_if_match(store: Store) -> None:
    with pytest.raises(StaleVersion):
        await store.put_category("t", "shoes", title="Shoes", only_if="*")
    with pytest.raises(CategoryNotFound):
        await store.get_category("t", "shoes")
    first, _ = await store.put_category("t", "shoes")
    await store.put_category("t", "shoes", title="Shoes", only_if=first.etag)
    await store.change_examples("t", "shoes", [picture(1)], adapt)
    with pytest.raises(StaleVersion):
        await store.put_category("t", "shoes", title="Boots", only_if=first.etag)
    assert (await store.get_category("t", "shoes")).title == "Shoes"


async def test_pages_hold_every_category_once_in_byte_order(store: Store) -> None:
    names = ["b", "a", "a.b", "a-b", "a_b", "a0", "zz", "0", "aa"]
    for name in names:
        await store.put_category("t", name)
    await store.put_category("other", "hidden")
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.list_categories("t", cursor, 2)
        assert len(page.items) <= 2
        seen += [category.name for category in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == sorted(names)  # Python sorts by code point, as bytes sort


async def test_page_goes_on_after_its_last_category_was_deleted(store: Store) -> None:
    for name in "abcd":
        await store.put_category("t", name)
    page = await store.list_categories("t", None, 2)
    await store.delete_category("t", "b")
    rest = await store.list_categories("t", page.next_cursor, 10)
    assert [category.name for category in rest.items] == ["c", "d"]


@pytest.mark.parametrize("cursor", ["", "x", "%%%", "Yzph=", "ZTph", "Y" * 1000, "é", "YzoA"])
async def test_foreign_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await store.list_categories("t", cursor, 10)


@given(st.text(max_size=100).filter(lambda text: "\x00" not in text and text.isprintable()))
def test_cursor_carries_its_key(key: str) -> None:
    assert decode_cursor("c", encode_cursor("c", key)) == key
    with pytest.raises(BadCursor):
        decode_cursor("e", encode_cursor("c", key))


@given(st.text(max_size=60))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        key = decode_cursor("c", text)
    except BadCursor:
        return
    assert encode_cursor("c", key) == text


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_limit_is_bounded(store: Store, limit: int) -> None:
    with pytest.raises(InvalidRecord, match=str(limit)):
        await store.list_categories("t", None, limit)


async def test_deleting_takes_everything_along_and_nothing_else(store: Store, url: str) -> None:
    for name in ("shoes", "paint"):
        await store.change_examples("t", name, [picture(1), picture(2, "placeholder")], adapt)
    await store.delete_category("t", "shoes")
    with pytest.raises(CategoryNotFound):
        await store.get_category("t", "shoes")
    with pytest.raises(CategoryNotFound):
        await store.list_examples("t", "shoes")
    assert not (await store.head("t", "shoes")).known
    assert len((await store.list_examples("t", "paint")).items) == 2
    assert await _rows(store) == {
        "categories": 1,
        "versions": 1,
        "examples": 2,
        "memberships": 2,
        "thumbnails": 2,
    }
    with pytest.raises(CategoryNotFound):
        await store.delete_category("t", "shoes")


async def test_a_deleted_categorys_etag_never_comes_back(store: Store) -> None:
    before = (await store.change_examples("t", "shoes", [picture(1)], adapt)).category
    await store.delete_category("t", "shoes", only_if=before.etag)
    after = (await store.change_examples("t", "shoes", [picture(1)], adapt)).category
    assert after.version == before.version
    assert after.etag != before.etag
    with pytest.raises(StaleVersion):
        await store.delete_category("t", "shoes", only_if=before.etag)


async def test_tenants_do_not_see_each_other(store: Store) -> None:
    change = await store.change_examples("ours", "shoes", [picture(1)], adapt)
    example = (await store.list_examples("ours", "shoes")).items[0]
    with pytest.raises(CategoryNotFound):
        await store.get_category("theirs", "shoes")
    assert (await store.list_categories("theirs")).items == []
    theirs = await store.change_examples("theirs", "shoes", [picture(1, "placeholder")], adapt)
    assert theirs.added == 1
    assert theirs.version.number == 1
    assert await store.get_category("ours", "shoes") == change.category
    for call in (
        store.example_thumbnail("theirs", "shoes", example.id),
        store.remove_example("theirs", "shoes", example.id, adapt),
        store.relabel_example("theirs", "shoes", example.id, "placeholder", adapt),
    ):
        with pytest.raises(Exception, match="has no example"):
            await call
    heads = [(await store.heads(tenant, ["shoes"]))["shoes"] for tenant in ("ours", "theirs")]
    assert heads[0].state != heads[1].state


@pytest.mark.parametrize("title", ["a\x00b", "\ud800", "x" * 2001])
async def test_unstorable_text_is_refused_alike(store: Store, title: str) -> None:
    with pytest.raises(InvalidRecord):
        await store.put_category("t", "shoes", title=title)
    with pytest.raises(CategoryNotFound):
        await store.get_category("t", "shoes")


async def _rows(store: Store) -> dict[str, int]:
    from sqlalchemy import func, select

    from service.store.schema import Base

    tables = [
        table
        for name, table in Base.metadata.tables.items()
        if name not in ("scores", "idempotency_keys")
    ]
    return await store._workers.read(
        lambda session: {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in tables
        }
    )
