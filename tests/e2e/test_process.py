"""Starting, refusing to start, and stopping."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from model import load
from tests.e2e.server import Server, environment, serving
from tests.service.harness import Service, files, settings_for
from tests.service.pictures import product


def ended(folder: Path, weights: Path, *arguments: str, **given: object) -> tuple[int, str]:
    """Exit status and message of a server that does not stay."""
    done = subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=folder,
        env=environment(folder, weights, **given),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr


def test_an_open_address_is_refused_without_a_word_from_the_operator(
    weights: Path, tmp_path: Path
) -> None:
    status, said = ended(tmp_path, weights, "--host", "0.0.0.0")
    assert status == 2
    assert "no key is configured" in said
    assert "STANDIN_ALLOW_UNAUTHENTICATED=true" in said
    assert "Traceback" not in said


def test_an_open_address_is_taken_where_the_operator_says_so(weights: Path, tmp_path: Path) -> None:
    with serving(tmp_path, weights, host="0.0.0.0", allow_unauthenticated="true") as server:
        assert "whoever reaches this address" in server.said
        # Behind a name of the operator's own.
        answer = server.client.get(
            f"http://127.0.0.1:{server.port}/healthz", headers={"Host": "standin.example"}
        )
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"treads": 2}, "STANDIN_TREADS is no setting; STANDIN_THREADS is"),
        ({"port": "eighty"}, "STANDIN_PORT"),
        ({"device": "tpu"}, "tpu"),
    ],
)
def test_wrong_settings_are_named(
    weights: Path, tmp_path: Path, given: dict[str, object], expected: str
) -> None:
    status, said = ended(tmp_path, weights, **given)
    assert status == 2
    assert expected in said
    assert "Traceback" not in said


def test_a_taken_port_is_named(weights: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = ended(tmp_path, weights, "--port", str(port))
    assert status == 2
    assert f"127.0.0.1:{port}" in said


def test_damaged_weights_end_the_process_and_are_named(weights: Path, tmp_path: Path) -> None:
    card = json.loads(weights.read_text())
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(card | {"sha256": "0" * 64}))
    (tmp_path / card["weights"]).write_bytes(weights.with_name(card["weights"]).read_bytes())
    status, said = ended(tmp_path, broken, "--port", "0")
    assert status == 1
    assert "SHA-256" in said
    assert said.rstrip().splitlines()[-1].startswith("standin: ")


def test_stopping_answers_what_runs(weights: Path, tmp_path: Path) -> None:
    server = Server(tmp_path, weights)
    server.wait_until_ready()
    answers: list[httpx.Response] = []
    pictures = files("images", *[product(seed, 1200, 900) for seed in range(60)])

    def ask() -> None:
        with httpx.Client(base_url=server.url, timeout=120) as client:
            answers.append(client.post("/v1/score?category=last", files=pictures))

    asking = threading.Thread(target=ask)
    asking.start()
    while "standin_waiting_pictures 0.0" in server.client.get("/metrics").text:
        assert asking.is_alive(), "answered before it was noticed waiting"
    # Ended by the signal, as whoever sent it expects, but not before the answer.
    assert server.stop() == -signal.SIGTERM
    asking.join()
    assert [answer.status_code for answer in answers] == [200]
    assert all("probability" in result for result in answers[0].json()["results"])


def test_ctrl_c_ends_it_in_order_and_without_a_traceback(weights: Path, tmp_path: Path) -> None:
    # A shell that starts this in the background has the signal ignored, which children inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        server = Server(tmp_path, weights)
    finally:
        signal.signal(signal.SIGINT, before)
    server.wait_until_ready()
    server.client.close()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 128 + signal.SIGINT
    assert "Finished server process" in server.said
    assert "Traceback" not in server.said


def test_opening_and_closing_leaks_neither_descriptors_nor_threads(
    weights: Path, tmp_path: Path
) -> None:
    loaded = load(weights, "cpu")

    def once() -> None:
        with Service(settings_for(tmp_path), loaded) as service:
            service.wait_until_ready()
            assert service.score("a", product(1)).status_code == 200

    once()
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(10):
        once()
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert threading.active_count() <= threads
