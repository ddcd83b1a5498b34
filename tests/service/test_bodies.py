"""What a request sent is gone when it is answered."""

from __future__ import annotations

import base64
import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.service.harness import Service
from tests.service.pictures import product

TAIL = 3_000_000  # bytes behind the end of a JPEG, which decoders do not read
TURNS = 8
PATIENCE = 1000  # looks, a hundredth of a second apart
ACCEPTED = (200, 201)
REFUSED = (200, 415, 422)  # JSON tells of each picture


@pytest.fixture
def traced() -> Iterator[None]:
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.enable()


def scored(service: Service, data: bytes) -> httpx.Response:
    return service.score("freed", data)


def scored_in_json(service: Service, data: bytes) -> httpx.Response:
    items = [{"category": "freed", "data": base64.b64encode(data).decode()}]
    return service.post("/v1/score", json={"items": items})


def taught(service: Service, data: bytes) -> httpx.Response:
    return service.teach("freed", [data], [])


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("send", [scored, scored_in_json, taught])
@pytest.mark.parametrize("valid", [True, False], ids=["a picture", "no picture"])
def test_no_bytes_of_a_request_outlive_it_until_the_next_search_for_cycles(
    shared: Service, send: Callable[[Service, bytes], httpx.Response], valid: bool
) -> None:
    def bodies(turns: int) -> None:
        for index in range(turns):
            start = product(900 + index) if valid else b"none"
            answer = send(shared, start + bytes(TAIL))
            assert answer.status_code in (ACCEPTED if valid else REFUSED), answer.text
            # httpx's own cycle: an answer knows its stream, which knows the answer.
            del answer.stream

    bodies(2)
    before, _ = tracemalloc.get_traced_memory()
    bodies(TURNS)
    # The thread that served the last of them may still be about to let go of it.
    for _ in range(PATIENCE):
        after, _ = tracemalloc.get_traced_memory()
        if after - before < TAIL:
            break
        time.sleep(0.01)
    assert after - before < TAIL
