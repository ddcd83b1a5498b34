"""Decoding in processes: the same as here, whatever becomes of a process."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.errors import PictureError, UnreadablePicture
from model.images import Limits
from service.workers.bench import decode
from service.workers.decoders import InProcesses, InThreads
from service.workers.desk import Desk
from service.workers.frames import Decoded
from tests.service.pictures import product, standin
from tests.service.processes import assert_all_end, children_of

ROOT = Path(__file__).parents[3]
LIMITS = Limits(max_bytes=2**21, max_pixels=2**20)


def run(count: int, work: Callable[[InProcesses], Awaitable[None]]) -> None:
    async def whole() -> None:
        decoders = InProcesses(count, LIMITS)
        await decoders.start()
        try:
            await asyncio.wait_for(work(decoders), 60)
        finally:
            await decoders.close()

    asyncio.run(whole())


def workers(decoders: InProcesses) -> list[int]:
    """Processes that decode: the children of those that were started."""
    return [worker for child in decoders.crew.children for worker in children_of(child.pid)]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, height), 50).convert("RGB").save(out, "PNG")
    return out.getvalue()


def assert_same(found: Decoded, wanted: Decoded) -> None:
    np.testing.assert_array_equal(found.picture.pixels, wanted.picture.pixels)
    np.testing.assert_array_equal(found.look.statistics, wanted.look.statistics)
    assert found.look.hash == wanted.look.hash
    for name in ("width", "height", "format", "thumbnail"):
        assert getattr(found.picture, name) == getattr(wanted.picture, name)


def test_processes_and_threads_give_what_decoding_here_gives() -> None:
    large = png(680, 680)
    assert not Desk.holds(len(large), 64)
    given = [
        (data, size, thumbnail, looks)
        for data in (product(1), standin(2), png(3, 700), png(40, 30))
        for size, thumbnail, looks in ((224, 0, True), (96, 64, True), (32, 0, False))
    ]
    given += [(product(1), 600, 0, True), (large, 64, 0, True)]  # for which the desk has no room

    async def work(decoders: InProcesses) -> None:
        threads = InThreads(2, LIMITS)
        there = await asyncio.gather(*(decoders.decode(*each) for each in given))
        beside = await asyncio.gather(*(threads.decode(*each) for each in given))
        await threads.close()
        for each, one, other in zip(given, there, beside, strict=True):
            wanted = decode(*each, LIMITS)
            assert_same(one, wanted)
            assert_same(other, wanted)
            assert one.decoding > 0

    run(2, work)


def test_where_memory_without_a_file_is_forbidden_the_desk_is_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(name: str) -> int:
        raise PermissionError(1, "Operation not permitted", name)

    monkeypatch.setattr(os, "memfd_create", forbidden, raising=False)
    pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    desk = Desk(3)
    other = Desk.shared(os.dup(desk.fileno()))  # as another process has it
    assert other.places == 3
    for place in (1, 2, 3):
        desk.lay(place, b"a file in place %d" % place)
        other.draw(place, pixels + np.uint8(place))
    other.slate = 77
    assert desk.slate == 77
    for place in (1, 2, 3):
        assert other.file(place, 17) == b"a file in place %d" % place
        np.testing.assert_array_equal(desk.square(place, 8), pixels + np.uint8(place))
    other.close()
    desk.close()


def test_errors_arrive_as_they_were_raised_and_cost_nobody_else() -> None:
    bad = [b"", b"no picture", product(1)[:300], png(1100, 1000), bytes(2**21 + 1)]

    async def work(decoders: InProcesses) -> None:
        mixed = [each for data in bad for each in (data, product(3))]
        found = await asyncio.gather(
            *(decoders.decode(each, 64, 0, True) for each in mixed), return_exceptions=True
        )
        wanted = decode(product(3), 64, 0, True, LIMITS)
        for data, error, good in zip(bad, found[::2], found[1::2], strict=True):
            with pytest.raises(PictureError) as here:
                decode(data, 64, 0, True, LIMITS)
            assert type(error) is type(here.value)
            assert str(error) == str(here.value)
            assert isinstance(good, Decoded)
            assert_same(good, wanted)

    run(1, work)


def test_whoever_ends_two_processes_is_told_so_and_nobody_else() -> None:
    async def killed(decoders: InProcesses) -> None:
        """The one process, in the middle of a picture."""
        (lane,) = decoders.crew.lanes
        await until(lambda: lane.greeted and lane.there)
        (process,) = workers(decoders)
        while True:
            while not lane.desk.slate:
                await asyncio.sleep(0)
            os.kill(process, signal.SIGSTOP)
            if lane.desk.slate:
                break
            os.kill(process, signal.SIGCONT)
        os.kill(process, signal.SIGKILL)
        await until(lambda: not lane.greeted)

    async def work(decoders: InProcesses) -> None:
        await decoders.decode(product(1), 64, 0, True)
        # Some milliseconds of work. Once may be chance.
        large = png(700, 700)
        first = decoders.decode(large, 64, 0, True)
        await killed(decoders)
        assert_same(await first, decode(large, 64, 0, True, LIMITS))
        first = decoders.decode(large, 64, 0, True)
        behind = [decoders.decode(product(seed), 64, 0, True) for seed in (3, 4)]
        await killed(decoders)
        await killed(decoders)
        with pytest.raises(UnreadablePicture, match="ended the process"):
            await first
        for seed, each in zip((3, 4), behind, strict=True):
            assert_same(await each, decode(product(seed), 64, 0, True, LIMITS))

    run(1, work)


def test_a_service_with_more_files_than_select_knows_has_processes_all_the_same() -> None:
    resource = pytest.importorskip("resource", reason="no such limits here")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1500:
        pytest.skip("no more files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1500, hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]

    async def work(decoders: InProcesses) -> None:
        assert_same(
            await decoders.decode(product(1), 64, 0, True), decode(product(1), 64, 0, True, LIMITS)
        )

    try:
        run(1, work)
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_that_is_killed_at_nothing_costs_no_picture() -> None:
    async def work(decoders: InProcesses) -> None:
        await decoders.decode(product(1), 64, 0, True)
        (victim,) = workers(decoders)
        os.kill(victim, signal.SIGSTOP)
        sent = [decoders.decode(product(seed), 64, 0, True) for seed in (2, 3, 4)]
        os.kill(victim, signal.SIGKILL)
        for seed, each in zip((2, 3, 4), sent, strict=True):
            assert_same(await each, decode(product(seed), 64, 0, True, LIMITS))

    run(1, work)


def test_a_picture_behind_another_waits_for_that_process_and_for_no_other() -> None:
    async def work(decoders: InProcesses) -> None:
        await until(lambda: all(lane.greeted for lane in decoders.crew.lanes))
        assert decoders.running == 0
        assert not decoders.room_behind
        for worker in workers(decoders):
            os.kill(worker, signal.SIGSTOP)
        first = decoders.decode(product(1), 64, 0, True)
        assert decoders.room_behind
        second = decoders.decode(product(2), 64, 0, True, behind=True)
        assert decoders.running == 1
        assert not decoders.room_behind
        assert sorted(len(lane.jobs) for lane in decoders.crew.lanes) == [0, 2]
        third = decoders.decode(product(3), 64, 0, True)
        assert decoders.running == 2
        for worker in workers(decoders):
            os.kill(worker, signal.SIGCONT)
        for seed, each in enumerate((first, second, third), 1):
            assert_same(await each, decode(product(seed), 64, 0, True, LIMITS))
        assert decoders.running == 0

    run(2, work)


def test_whoever_is_killed_again_and_again_comes_back() -> None:
    async def work(decoders: InProcesses) -> None:
        for seed in range(4):
            await decoders.decode(product(seed), 64, 0, False)
            # The first may have answered before the second was forked.
            await until(lambda: len(workers(decoders)) == 2)
            for victim in workers(decoders):
                os.kill(victim, signal.SIGKILL)
            await until(lambda: not any(lane.greeted for lane in decoders.crew.lanes))
            await until(lambda: all(lane.greeted for lane in decoders.crew.lanes))
        assert len(workers(decoders)) == 2

    run(2, work)


def test_where_none_can_be_started_it_is_said_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    async def work(decoders: InProcesses) -> None:
        with pytest.raises(RuntimeError, match="no process that works can be started"):
            await decoders.decode(product(1), 64, 0, True)

    run(1, work)


def test_closing_answers_whoever_waits_and_leaves_no_process() -> None:
    async def whole() -> None:
        decoders = InProcesses(1, LIMITS)
        await decoders.start()
        await decoders.decode(product(1), 64, 0, True)
        (worker,) = workers(decoders)
        os.kill(worker, signal.SIGSTOP)
        waiting = decoders.decode(product(2), 64, 0, True)
        os.kill(worker, signal.SIGCONT)
        await decoders.close()
        with pytest.raises(RuntimeError, match="stopping"):
            await waiting
        assert not Path(f"/proc/{worker}").exists()

    asyncio.run(whole())


def test_processes_end_with_a_service_that_is_killed() -> None:
    script = (
        "import asyncio, sys\n"
        "from model.images import Limits\n"
        "from service.workers.decoders import InProcesses\n"
        "async def main():\n"
        "    decoders = InProcesses(2, Limits())\n"
        "    await decoders.start()\n"
        "    while not all(lane.greeted for lane in decoders.crew.lanes):\n"
        "        await asyncio.sleep(0.01)\n"
        "    print(*(child.pid for child in decoders.crew.children), flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        nursery = int(parent.stdout.readline())
        processes = [nursery, *children_of(nursery)]
        assert len(processes) == 3
        parent.kill()
        parent.wait()
    assert_all_end(processes)
