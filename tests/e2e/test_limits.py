"""Bodies that are too large, too slow, cut off or no HTTP bodies at all, over a real socket."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator

from service import problems
from tests.e2e.server import Server
from tests.service.harness import assert_problem, files
from tests.service.pictures import product

MIB = 2**20


def test_a_body_too_large_by_its_length_is_refused_unread(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
        head = (
            "POST /v1/score?category=a HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: {10**12}\r\nExpect: 100-continue\r\n\r\n"
        )
        connection.sendall(head.encode())
        answer = connection.recv(65536)
    # Not a byte of the terabyte was asked for.
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert problems.MEDIA_TYPE.encode() in answer


def test_a_body_too_large_without_a_length_is_refused_while_it_comes(server: Server) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="images"; filename="x"\r\n\r\n'
        while sent < 100 * MIB:
            sent += MIB
            yield bytes(MIB)

    answer = server.client.post(
        "/v1/score?category=a",
        content=endless(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    body = assert_problem(answer, 413, "request-too-large")
    assert str(64 * MIB) in body["detail"]
    # The memory of what was refused is free again, and the next request is answered.
    held = re.search(r"^standin_body_bytes (\S+)$", server.client.get("/metrics").text, re.M)
    assert held is not None
    assert float(held[1]) == 0


def test_a_large_json_body_is_refused_too(server: Server) -> None:
    content = b'{"items": [{"category": "a", "data": "' + b"A" * (64 * MIB) + b'"}]}'
    answer = server.client.post(
        "/v1/score", content=content, headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 413, "request-too-large")


def test_a_picture_over_its_limit_does_not_cost_its_neighbours(server: Server) -> None:
    pictures = [product(1), bytes(21 * MIB), product(2)]
    answer = server.client.post("/v1/score?category=a", files=files("images", *pictures))
    first, large, last = answer.json()["results"]
    assert "probability" in first
    assert "probability" in last
    assert large["error"]["status"] == 413
    assert f"{20 * MIB:,}" in large["error"]["detail"]


def test_a_body_that_stops_is_given_up(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
        head = (
            "POST /v1/score?category=a HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b\r\n"
        )
        connection.sendall(head.encode())
        answer = b""
        while chunk := connection.recv(65536):  # until the server closes
            answer += chunk
    head_, _, body = answer.partition(b"\r\n\r\n")
    assert head_.startswith(b"HTTP/1.1 400 ")
    assert "5 bytes" in json.loads(body)["detail"]


def test_clients_that_go_away_are_not_computed_for(server: Server) -> None:
    def counted(outcome: str) -> float:
        text = server.client.get("/metrics").text
        found = re.search(rf'standin_pictures_total{{outcome="{outcome}"}} (\S+)', text)
        assert found is not None
        return float(found[1])

    dropped, computed = counted("dropped"), counted("computed")
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="images"; filename="x"\r\n\r\n'
        + product(5000 + seed, 1000, 800)
        + b"\r\n"
        for seed in range(120)
    )
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(
        "POST",
        "/v1/score?category=gone",
        body + b"--b--\r\n",
        {"Content-Type": "multipart/form-data; boundary=b"},
    )
    while "standin_waiting_pictures 0.0" in server.client.get("/metrics").text:
        assert counted("computed") - computed < 120, "all of it was computed too soon"
    connection.close()
    while counted("dropped") == dropped:
        assert counted("computed") - computed < 120, "all of it was computed for nobody"
        time.sleep(0.05)
    while "standin_waiting_pictures 0.0" not in server.client.get("/metrics").text:
        time.sleep(0.05)
    assert counted("dropped") - dropped + counted("computed") - computed == 120
    assert 'status="499"' in server.client.get("/metrics").text


def test_a_client_that_goes_while_it_uploads_changes_nothing(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
        head = (
            "POST /v1/categories/half/examples HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="real"; filename="x"\r\n\r\n'
        )
        connection.sendall(head.encode() + product(1) + b"\r\n--b")
    assert_problem(server.client.get("/v1/categories/half"), 404, "no-such-category")
