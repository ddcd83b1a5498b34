"""Decoders that are forked from a service which has imported everything already.

Each test runs in a process of its own: this one has threads, and forks none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from service.workers.nursery import Nursery
from tests.service.processes import assert_all_end

ROOT = Path(__file__).parents[3]
PRELUDE = """
import asyncio, os, signal, sys, time
from pathlib import Path
import numpy as np
from model.images import Limits
from service.workers.decoders import InProcesses
from service.workers.nursery import Nursery
from service.workers.bench import decode
from tests.service.pictures import product
from tests.service.processes import children_of

LIMITS = Limits()
nursery = Nursery.begin()
assert nursery is not None

def workers():
    return children_of(nursery.pid)

async def decoded(decoders, seed):
    found = await decoders.decode(product(seed), 64, 0, True)
    wanted = decode(product(seed), 64, 0, True, LIMITS)
    np.testing.assert_array_equal(found.picture.pixels, wanted.picture.pixels)
    np.testing.assert_array_equal(found.look.statistics, wanted.look.statistics)

async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)

async def main():
    decoders = InProcesses(2, LIMITS, nursery)
    await decoders.start()
    await decoded(decoders, 1)
    await work(decoders)
    await decoders.close()
"""
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")


def run(work: str) -> subprocess.CompletedProcess[str]:
    script = f"{PRELUDE}\n{work}\nasyncio.run(main())\n"
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@LINUX
def test_what_it_starts_is_started_again_and_gone_when_it_is_closed() -> None:
    done = run(
        """
async def work(decoders):
    await until(lambda: len(workers()) == 2)
    victims = workers()
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    await until(lambda: len(workers()) == 2 and not set(workers()) & set(victims))
    await until(lambda: all(lane.greeted for lane in decoders.crew.lanes))
    await asyncio.gather(*(decoded(decoders, seed) for seed in range(6)))
    assert len(workers()) == 2
    assert decoders.crew.children == []

real = main
async def main():
    await real()
    nursery.close()
    assert not Path(f"/proc/{nursery.pid}").exists()
"""
    )
    assert done.returncode == 0, done.stderr


@LINUX
def test_where_it_has_been_killed_others_start_decoders() -> None:
    done = run(
        """
async def work(decoders):
    await until(lambda: len(workers()) == 2)
    mine = workers()
    os.kill(nursery.pid, signal.SIGKILL)
    for victim in mine:
        os.kill(victim, signal.SIGKILL)
    await until(lambda: not any(lane.greeted for lane in decoders.crew.lanes))
    await until(lambda: all(lane.greeted for lane in decoders.crew.lanes))
    await decoded(decoders, 2)
    assert decoders.crew.children
"""
    )
    assert done.returncode == 0, done.stderr


@LINUX
def test_all_of_it_ends_with_a_service_that_is_killed() -> None:
    done = run(
        """
async def work(decoders):
    await until(lambda: len(workers()) == 2)
    print(nursery.pid, *workers(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    pids = [int(each) for each in done.stdout.split()]
    assert len(pids) == 3, done.stderr
    assert_all_end(pids)


@LINUX
def test_whoever_is_forked_looks_for_cycles_although_a_service_that_starts_does_not() -> None:
    script = """
import gc, socket
import service.workers.process as process
from model.images import Limits
from service.workers import terms
from service.workers.desk import Desk
from service.workers.nursery import Nursery

process.serve = lambda connection, *_: connection.sendall(b"01"[gc.isenabled():][:1])
gc.disable()
nursery = Nursery.begin()
here, there = socket.socketpair()
nursery.start([(there, Desk(1))], terms.decoding(Limits()))
there.close()
assert here.recv(1) == b"1"
here.close()
nursery.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_forked_from_a_process_with_threads() -> None:
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait)
    thread.start()
    try:
        assert Nursery.begin() is None
    finally:
        wait.set()
        thread.join()
