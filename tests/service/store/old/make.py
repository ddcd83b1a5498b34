"""Write the dump of the newest revision, before a newer one is added: that one's test needs it.

    python -m tests.service.store.old.make

0001.sql was made so too, by going one revision down from 0002; it has no scores.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from alembic.script import ScriptDirectory

from service.store import ScoreRow, open_store
from service.store.migrate import config_for
from tests.service.store.builders import adapt, embedding, picture, sha

HEADER = """\
-- A database of revision {revision}, as SQLite's dump tells it: tenant default has category shoes
-- with two uploads and a rollback to the first, and two scores; tenant other an empty category
-- paint.
"""
SCORES = ("score-of-shoes", "score-of-nothing")


async def fill(url: str) -> None:
    """What ``test_migrations.check_old`` looks for."""
    store = open_store(url)
    await store.put_category("default", "shoes", title="Schuhe", threshold=0.625)
    await store.change_examples("default", "shoes", [picture(1), picture(2, "placeholder")], adapt)
    await store.change_examples("default", "shoes", [picture(1, "placeholder"), picture(3)], adapt)
    await store.activate("default", "shoes", 1)
    await store.put_category("other", "paint")
    await store.record_scores(
        [
            ScoreRow(
                "default",
                score_id,
                category,
                version,
                0.75,
                "placeholder",
                sha(4),
                embedding(4).astype("<f2").tobytes(),
                datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            )
            for score_id, category, version in zip(
                SCORES, ("shoes", "never-named"), (3, 0), strict=True
            )
        ]
    )
    await store.close()


def main() -> None:
    """Fill a database and dump it beside this file."""
    revision = ScriptDirectory.from_config(config_for()).get_current_head()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "standin.db"
        asyncio.run(fill(f"sqlite:///{file}"))
        connection = sqlite3.connect(file)
        lines = "\n".join(connection.iterdump())
        connection.close()
    target = Path(__file__).parent / f"{revision}.sql"
    target.write_text(HEADER.format(revision=revision) + lines + "\n")


if __name__ == "__main__":
    main()
