"""How the process starts: what Python collects, and from when on."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

from model import Model
from service.__main__ import main
from service.app import create_app
from tests.service.harness import settings_for


def test_collecting_is_put_off_for_the_start_alone(tmp_path: Path) -> None:
    assert gc.isenabled()
    assert main(["--write-settings", str(tmp_path / "settings.md")]) == 0
    assert gc.isenabled()


def test_what_is_there_when_it_is_ready_is_never_gone_through() -> None:
    # In a process of its own: what is frozen stays so.
    code = (
        "import gc; gc.disable(); from service import command, memory\n"
        "memory.look_for_cycles_in_what_is_new()\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 100_000, len(gc.get_objects()) < 10_000)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True"] * 3


def test_it_is_told_once_everything_is_there(small_model: Model, tmp_path: Path) -> None:
    told: list[bool] = []

    async def start() -> None:
        app = create_app(
            settings_for(tmp_path),
            loaded=small_model,
            on_ready=lambda: told.append(app.state.runtime.ready.is_set()),
        )
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(app.state.runtime.ready.wait(), 60)
            assert told == [False]
            await app.state.runtime.check()

    asyncio.run(start())
    assert told == [False]
