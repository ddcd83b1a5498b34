"""What SQLite reads for a question: rows by their keys, never a whole table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from service.store import Store, open_store
from tests.service.store.builders import MODEL, PATIENT, adapt, picture, score

pytestmark = pytest.mark.anyio


@contextmanager
def scans(store: Store) -> Iterator[list[str]]:
    """Collects the tables that statements read from end to end, by SQLite's own account."""
    engine = store._workers.database.engine
    found: list[str] = []

    def explain(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if many or not statement.startswith(("SELECT", "DELETE", "UPDATE", "INSERT")):
            return
        plan = cursor.connection.cursor()
        plan.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        found.extend(row[3] for row in plan.fetchall() if row[3].startswith("SCAN "))
        plan.close()

    event.listen(engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", explain)


async def test_scoring_teaching_and_purging_read_by_keys(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    store = open_store(f"sqlite:///{tmp_path}/standin.db", PATIENT, clock=lambda: now)
    names = [f"c{n}" for n in range(4)]
    for n, name in enumerate(names):
        await store.change_examples("t", name, [picture(2 * n), picture(2 * n + 1)], adapt)
    rows = [score(n) for n in range(6)]
    with scans(store) as found:
        heads = await store.heads("t", names)
        assert {len(one.ids) for one in await store.examples_of(list(heads.values()))} == {2}
        await store.nearest("t", "c0", 1)
        await store.record_scores(rows)
        assert len(await store.scores("t", [row.score_id for row in rows])) == 6
        hashes = [row.sha256 for row in rows]
        assert len(await store.known_pictures("t", hashes, MODEL)) == 6
        await store.relabel_example(
            "t", "c0", (await store.nearest("t", "c0", 1)).ids[0], "real", adapt
        )
        now += timedelta(days=10_000)
        assert (await store.purge()).scores == 6
    assert found == []
    await store.close()
