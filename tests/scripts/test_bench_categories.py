"""Copies of taught categories, as the service reads them, and what asking about them costs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_copied_category_is_scored_like_a_taught_one(tmp_path: Path) -> None:
    command = [
        sys.executable, str(ROOT / "scripts" / "bench_categories.py"), "--categories=24",
        "--shots=1", "--each=4", "--rounds=1", f"--work={tmp_path}",
        f"--json={tmp_path / 'found.json'}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["categories"] == 24
    assert set(found["CPU ms a picture, median"]) == {"one", "warm", "cold"}
    with sqlite3.connect(tmp_path / "standin.db") as database:
        # Four that were taught, and their copies; every score was under a version with examples.
        assert database.execute("SELECT count(*) FROM categories").fetchone() == (28,)
        assert database.execute("SELECT count(*) FROM examples").fetchone() == (28 * 2,)
        assert database.execute("SELECT DISTINCT version FROM scores").fetchall() == [(1,)]
        scored = database.execute("SELECT count(DISTINCT category) FROM scores").fetchone()
        assert scored[0] > 4
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()
