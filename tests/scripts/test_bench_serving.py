"""The benchmark of serving: what its parts make of what they read, and one short real run."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.holdout import held_out
from model.reports.serving import document, figures
from scripts.serving import bodies, catalogue, stages, systems, visits, wrk
from scripts.serving.processes import Server, ServerError, free_port

ROOT = Path(__file__).parents[2]
THREAD = "Thread._bootstrap (threading.py:1);_worker (concurrent/futures/thread.py:69)"


def _jpeg(side: int = 16) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(held, "JPEG")
    return held.getvalue()


def test_stacks_become_stages_by_what_the_kernel_counted() -> None:
    raw = "\n".join(
        [
            f"thread (7): encode;{THREAD};Ensemble.examine (model/ensemble.py:1);"
            "Ensemble._embed (model/ensemble.py:2);Session.run (onnxruntime/x.py:3) 30",
            f"thread (7): encode;{THREAD};Ensemble.route (model/ensemble.py:9) 10",
            # Woken, and not at work yet: it shares nothing out.
            f"thread (7): encode;{THREAD} 500",
            'process 7:"python -m service";process 8:"python -m service.workers.process 1 2";'
            "thread (8): MainThread;serve (service/workers/process.py:1);"
            "decode (service/workers/process.py:2);decode (model/images.py:2);"
            "Image.resize (PIL/Image.py:3) 5",
            'process 7:"python -m service";process 8:"python -m service.workers.process 1 2";'
            "thread (8): MainThread;serve (service/workers/process.py:1);"
            "_receive (service/workers/process.py:3) 5",
            'process 7:"python -m service";process 8:"python -m service.workers.process 1 2";'
            "thread (8): MainThread;decode (service/workers/process.py:2);"
            "look_at (model/look.py:3);hash_of (model/experts/hashing.py:4) 10",
            "thread (9): MainThread;main (service/__main__.py:1);"
            "read_multipart (service/bodies.py:2);Reader.feed (service/multipart.py:3) 1",
            "thread (9): MainThread;main (service/__main__.py:1);Runner.run (asyncio/x.py:2) 1",
        ]
    )
    found = stages.fold(raw, {7: 4.0, 8: 1.0, 9: 0.5, 10: 0.25})
    wanted = {"encode": 3.0, "experts": 1.0, "parse": 0.25, "loop": 0.5}
    wanted |= {"decode": 0.25, "hand over": 0.25, "look": 0.5}
    assert found == pytest.approx(dict.fromkeys(stages.STAGES, 0.0) | wanted)


def test_the_stages_name_functions_that_are_there() -> None:
    """A rule for a function that was renamed would silently count nothing."""
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("model", "service")
        for path in (ROOT / room).rglob("*.py")
    )
    for _, rule in stages.RULES:
        for owner, name in re.findall(r"(Ensemble|Embedder|Encoder)\\\.(\w+)", rule):
            assert f"class {owner}" in sources
            assert f"def {name}(" in sources, rule
        for room, files in re.findall(r"\((model|service)/(\w+)\\\.py", rule):
            assert (ROOT / room / f"{files}.py").exists(), rule


def test_stacks_without_threads_are_refused() -> None:
    with pytest.raises(wrk.LoadError, match="names no thread"):
        stages.fold("main (x.py:1) 3", {})


def test_a_flame_graph_keeps_no_folder_of_the_machine() -> None:
    text = '<text id="title" x="50.0000%" y="24.00">/home/me/py-spy record --pid 1</text><g></g>'
    text += "<title>process 7:&quot;/home/me/python -m service 8&quot; (5 samples)</title>"
    found = stages.untold(text)
    assert "/home" not in found
    assert found.endswith("</text><g></g><title>a process (5 samples)</title>")


def test_wrk_log_is_read_to_its_end() -> None:
    answers, skipped = wrk.parse("1000000 1250000 200\n2000000 0 0\nskipped 3\n")
    assert answers == [wrk.Answer(1.0, 1.25, 200), wrk.Answer(2.0, None, 0)]
    assert skipped == 3
    with pytest.raises(wrk.LoadError, match="ends early"):
        wrk.parse("1000000 1250000 200\n")


def _answers() -> list[wrk.Answer]:
    """One a tenth of a second from 0 to 9.9, each answered after half a second; some refused."""
    return [wrk.Answer(k / 10, k / 10 + 0.5, 503 if k % 4 == 0 else 200) for k in range(100)] + [
        wrk.Answer(3.0, None, 0)
    ]


def test_a_closed_loop_counts_answers_by_their_end() -> None:
    spell = wrk.summarise(
        _answers(), 0, clients=5, each=2, begin=1.04, end=9.04, stopped=9.0, by_due=False
    )
    assert (spell.rate, spell.pictures) == (7.5, 15.0)
    assert spell.statuses == {"200": 60, "503": 20}
    assert spell.p50_ms == spell.p99_ms == 500.0
    assert spell.in_time is None


def test_arrivals_are_counted_by_when_they_were_due_and_the_unanswered_too() -> None:
    keywords: dict[str, Any] = {"begin": 1.04, "end": 9.04, "stopped": 10.0, "by_due": True}
    spell = wrk.summarise(_answers(), 2, clients=5, each=1, limit=0.6, **keywords)
    assert spell.statuses == {"200": 60, "503": 20, "none": 1}
    assert (spell.in_time, spell.offered, spell.skipped) == (
        7.5,
        pytest.approx(81 / 8, abs=0.01),
        2,
    )
    assert spell.oldest_unanswered_ms == 7000.0
    late = wrk.summarise(_answers(), 0, clients=5, each=1, limit=0.4, **keywords)
    assert late.in_time == 0.0


def test_no_answer_at_all_has_no_times() -> None:
    spell = wrk.summarise([], 0, clients=1, each=1, begin=0, end=1, stopped=1, by_due=False)
    assert (spell.rate, spell.p50_ms, spell.p99_ms) == (0.0, None, None)


@given(number=st.from_regex(r"[0-9]{16}", fullmatch=True))
def test_a_marked_picture_is_the_same_picture_whatever_the_mark_becomes(number: str) -> None:
    plain = Image.open(io.BytesIO(_jpeg()))
    for marked in (
        bodies.marked(_jpeg()).replace(bodies.MARK, number.encode()),
        base64.b64decode(
            bodies.marked_base64(_jpeg()).replace(bodies.MARK_BASE64.decode(), number),
            validate=True,
        ),
    ):
        found = Image.open(io.BytesIO(marked))
        assert found.tobytes() == plain.tobytes()
        assert number.encode() in marked or "comment" in found.info


@pytest.mark.parametrize(
    ("write", "marks"),
    [
        (bodies.multipart("/x?category=", "images", lambda picture: picture.other), 2),
        (bodies.json_items("/x", lambda picture: picture.category), 2),
    ],
)
def test_each_picture_of_a_request_has_its_mark(write: bodies.Writer, marks: int) -> None:
    request = write([bodies.Picture(_jpeg(side), "own", "other") for side in (16, 24)])
    head, _, content = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(content)}".encode() in head
    assert content.count(bodies.MARK) + content.count(bodies.MARK_BASE64) == marks


_GROUP = "shop"


def _catalogue(folder: Path, categories: dict[str, int], manifest: bool) -> None:
    rows = ["file,category,group"]
    for name, count in categories.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            tone = 10 * number % 256, number, len(name)
            Image.new("RGB", (12, 9), tone).save(folder / name / f"{number}.png")
            rows.append(f"{name}/{number}.png,{name},{_GROUP}")
    if manifest:
        (folder / "manifest.csv").write_text("\n".join(rows) + "\n")


def test_a_catalogue_is_asked_about_goods_that_it_was_not_taught_with(tmp_path: Path) -> None:
    _catalogue(tmp_path, {"few": catalogue.REAL - 1, "b": catalogue.REAL, "a": 40}, False)
    shelves = catalogue.from_folder(tmp_path, most=5)
    assert len(shelves) == 2
    for shelf in shelves:
        taught = [jpeg for jpegs in shelf.examples.values() for jpeg in jpegs]
        assert len(shelf.pictures) == len(set(shelf.pictures)) == catalogue.EACH
        assert not set(taught) & set(shelf.pictures)
        assert [len(jpegs) for jpegs in shelf.examples.values()] == [catalogue.EXAMPLES] * 2
    with Image.open(io.BytesIO(shelves[0].pictures[0])) as sent:
        assert sent.width * sent.height == pytest.approx(1e6, rel=0.01)
    pictures = catalogue.to_send(shelves)
    assert {(p.category, p.other) for p in pictures} == {
        ("shelf-00", "shelf-01"),
        ("shelf-01", "shelf-00"),
    }
    assert len(catalogue.from_folder(tmp_path, most=1)) == 1


def test_with_a_manifest_it_is_what_nothing_was_trained_on(tmp_path: Path) -> None:
    names = [f"goods-{number}" for number in range(40)]
    kept = [name for name in names if held_out(name, "category")]
    assert kept
    _catalogue(tmp_path, dict.fromkeys(names[:10] + kept[:1], catalogue.REAL), True)
    assert not held_out(_GROUP, "group")  # or everything would be
    wanted = {name for name in names[:10] + kept[:1] if held_out(name, "category")}
    assert len(catalogue.from_folder(tmp_path, most=99)) == len(wanted)
    (tmp_path / "none").mkdir()
    with pytest.raises(wrk.LoadError, match="no category of 19 pictures"):
        catalogue.from_folder(tmp_path / "none", most=1)


def _visit(system: str, number: int, pictures: float, bare: float, **cell: Any) -> figures.Figures:
    spell = {
        "mode": "closed",
        "requests": "one",
        "clients": 16,
        "wanted_rate": 0.0,
        "offered": pictures,
        "in_time": None,
        "pictures": pictures,
        "p50_ms": 10.0,
        "p95_ms": 20.0,
        "p99_ms": 30.0,
        "cpu_ms": 15.0,
        "encoded": None,
        "cores_busy": 1.9,
        "statuses": {"200": 100},
        "oldest_unanswered_ms": 0.0,
        "skipped": 0,
    }
    return {
        "system": system,
        "round": number,
        "kind": "closed",
        "start_s": 2.0,
        "memory_mib": 400,
        "bare": {"ours": [bare - 1, bare + 1], "pillow": [bare, bare], "single": [bare, bare]},
        "cells": [spell | cell],
    }


def test_ratios_are_taken_within_a_round_and_told_with_their_range() -> None:
    found = figures.summarise(
        [
            _visit("standin", 1, 96.0, 100.0),
            _visit("litserve", 1, 40.0, 100.0),
            # The machine is half as fast in the second round: the ratios are not.
            _visit("standin", 2, 49.0, 50.0),
            _visit("litserve", 2, 20.0, 50.0),
        ]
    )
    ours = figures.find(found["closed"], "standin", clients=16)
    assert ours["ratio"]["ours"] == pytest.approx({"estimate": 0.97, "low": 0.96, "high": 0.98})
    assert ours["statuses"] == {"200": 200}
    theirs = figures.find(found["closed"], "litserve")
    assert figures.times(ours, theirs) == pytest.approx(
        {"estimate": 2.425, "low": 2.4, "high": 2.45}
    )
    bars = {bar["words"]: bar for bar in figures.bars(found)}
    assert all(bar["met"] for bar in bars.values())
    assert len(bars) == 3


def test_a_system_that_is_late_at_overload_is_told_so() -> None:
    over = {"mode": "overload", "times": 4.0, "deadline_s": 2.0, "in_time": 5.0}
    found = figures.summarise([_visit("standin", 1, 96.0, 100.0, **over, p99_ms=2500.0)])
    (bar,) = figures.bars(found)
    assert (bar["met"], bar["figure"]["estimate"]) == (False, 2500.0)


def test_the_document_puts_ratios_first_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    summary = figures.summarise([_visit("standin", 1, 96.0, 100.0)])
    about = {
        "command": "python scripts/bench_serving.py",
        "date": "2026-11-23",
        "machine": "2 cores",
        "versions": {},
        "weights": "w",
        "weights_sha256": "0" * 64,
        "results": "results/serving.json",
        "seconds": 1.0,
        "megapixels": 1.0,
        "kilobytes": 200.0,
        "pictures": 32,
        "categories": 2,
        "generator": "wrk",
        "cores": 2,
        "peers": {},
        "precision": "int8",
    }
    result = {
        "about": about,
        "skipped": ["skipped LitServe: it is not there"],
        "rounds": 1,
        "titles": {"standin": {"": "Standin", "one": "Standin, one"}},
        "figures": summary,
        "bars": figures.bars(summary),
    }
    page = tmp_path / "serving.md"
    page.write_text(f"# Mine\n\n{document.BEGIN}\n\nold\n\n{document.END}\n\nmine too\n")
    document.write(page, result, {})
    text = page.read_text()
    assert text.startswith("# Mine\n")
    assert text.endswith("mine too\n")
    assert "old" not in text
    assert "Skipped LitServe: it is not there." in text
    assert "| Standin, one | 0.96 (0.96 to 0.96) |" in text
    assert text.index("bare loop") < text.index("pictures/s | p50 ms")


def test_a_peer_that_is_missing_is_skipped_by_name(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    starter = systems.Starter(python, [], tmp_path)
    said = starter.missing(systems.SYSTEMS["ray"])
    assert said is not None
    assert said.startswith("skipped Ray Serve")
    assert "--peers-python" in said
    assert starter.missing(systems.SYSTEMS["standin"]) is None


def test_rounds_take_the_systems_in_turn_and_overload_comes_after_capacity() -> None:
    chosen = [systems.SYSTEMS[name] for name in ("standin", "litserve", "litserve-two")]
    names = [visit.name for visit in visits.plan(visits.SHORT, chosen)]
    assert names[:3] == ["1-closed-standin", "1-closed-litserve", "1-closed-litserve-two"]
    assert names.count("1-overload-litserve") == 1
    assert "1-overload-litserve-two" not in names
    assert names[-1] == "1-stages-standin"
    assert len(names) == len(set(names))


def test_a_server_that_ends_is_told_with_what_it_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such model'); raise SystemExit(3)"]
    server = Server(command, free_port(), os.environ, tmp_path / "log")
    try:
        with pytest.raises(ServerError, match="no such model"):
            server.wait(b"GET / HTTP/1.1\r\n\r\n", 30)
    finally:
        server.stop()


def test_what_a_server_has_started_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True)\n"
        "print('started', flush=True)\n"
        "time.sleep(600)\n"
    )
    log = tmp_path / "log"
    server = Server([sys.executable, "-c", code], free_port(), os.environ, log)
    while "started" not in log.read_text():
        assert server.process.poll() is None
    # Inherited by the child as well, wherever it may be.
    assert server.memory_mib() > 0
    server.stop()
    assert server.process.returncode is not None
    assert server.memory_mib() == 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed (Debian: wrk)")
def test_a_short_run_against_a_real_server_goes_on_where_it_was(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "scripts/bench_serving.py", "--quick", "--systems", "standin"),
        *("--categories", "1", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "docs")),
    ]
    first = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert first.returncode == 0, first.stdout + first.stderr
    result = json.loads((tmp_path / "docs" / "results" / "serving.json").read_text())
    loads = {load["requests"]: load for load in result["figures"]["closed"]}
    assert set(loads) == {"one", "new"}
    for load in loads.values():
        assert set(load["statuses"]) == {"200"}
        assert load["ratio"]["ours"]["estimate"] > 0
    assert result["figures"]["overload"][0]["system"] == "standin"
    flame = tmp_path / "docs" / "images" / "flame.svg"
    assert not flame.exists() or str(tmp_path) not in flame.read_text()
    assert "### Against the bare loop" in (tmp_path / "docs" / "serving.md").read_text()
    again = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "1-closed-standin" not in again.stdout
