"""A shop's first day, from the outside."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

from tests.e2e.server import Server
from tests.service.harness import assert_problem, assert_problem_object, files
from tests.service.pictures import NOT_PICTURES, bomb, product, standin


def test_it_says_where_it_listens_and_who_may_ask(server: Server) -> None:
    assert f"listening on {server.url}" in server.said
    assert "processes that decode and encode" in server.said
    assert "store sqlite:////" in server.said
    assert "no key is configured, so it listens on the loopback address only" in server.said


def test_a_first_day(server: Server) -> None:
    client = server.client
    assert client.get("/healthz").json() == {"status": "alive"}
    queries = files("images", standin(100), product(100), NOT_PICTURES["truncated"], bomb())
    zero_shot = client.post("/v1/score?category=day", files=queries).json()["results"]
    assert [result.get("version") for result in zero_shot] == [0, 0, None, None]
    assert_problem_object(zero_shot[2]["error"], 415, "unreadable-picture")
    assert_problem_object(zero_shot[3]["error"], 413, "picture-too-large")

    upload = files("placeholder", *[standin(seed) for seed in range(3)])
    upload += files("real", *[product(seed) for seed in range(3)], NOT_PICTURES["html"])
    headers = {"Idempotency-Key": '"first-day"'}
    learned = client.post("/v1/categories/day/examples", files=upload, headers=headers)
    assert learned.status_code == 200
    body = learned.json()
    assert (body["version"], body["added"]) == (1, 6)
    assert [each["index"] for each in body["rejected"]] == [6]
    again = client.post("/v1/categories/day/examples", files=upload, headers=headers)
    assert again.content == learned.content

    adapted = client.post("/v1/score?category=day", files=queries).json()["results"]
    assert [result.get("version") for result in adapted] == [1, 1, None, None]
    assert adapted[0]["probability"] > adapted[1]["probability"]

    items = client.get("/v1/categories/day/examples").json()["items"]
    assert len(items) == 6
    image = client.get(f"/v1/categories/day/examples/{items[0]['id']}/image")
    assert image.content[:4] == b"RIFF"
    back = client.post("/v1/categories/day/versions/0/activate")
    assert (back.json()["number"], back.json()["cause"]) == (2, "rollback")
    rolled = client.post("/v1/score?category=day", files=queries).json()["results"]
    assert rolled[0]["probability"] == zero_shot[0]["probability"]
    assert client.delete("/v1/categories/day").status_code == 204
    assert client.get("/docs").status_code == 200
    assert "standin_pictures_total" in client.get("/metrics").text


def test_uploads_to_one_category_at_the_same_time_lose_nothing(server: Server) -> None:
    def upload(seed: int) -> dict[str, int]:
        pictures = files("placeholder", standin(1000 + seed)) + files("real", product(1000 + seed))
        with httpx.Client(base_url=server.url, timeout=120) as client:
            answer = client.post("/v1/categories/busy/examples", files=pictures)
        assert answer.status_code == 200, answer.text
        found: dict[str, int] = answer.json()
        return found

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(upload, range(24)))
    # Every one made a version of its own, whose counts are those of its place in the line.
    by_version = {answer["version"]: answer for answer in answers}
    assert sorted(by_version) == list(range(1, 25))
    for version, answer in by_version.items():
        assert answer["examples"] == {"placeholder": version, "real": version}
    assert server.client.get("/v1/categories/busy").json()["version"] == 24


def test_mixed_categories_at_the_same_time_score_as_alone(server: Server) -> None:
    names = [f"mixed-{index}" for index in range(6)]
    for index, name in enumerate(names):
        upload = files("placeholder", standin(index), standin(index + 50))
        upload += files("real", product(index), product(index + 50))
        server.client.post(f"/v1/categories/{name}/examples", files=upload)
    pictures = [product(200 + index) for index in range(6)]
    alone = {
        (name, index): server.client.post(
            f"/v1/score?category={name}", files=files("images", data)
        ).json()["results"][0]["probability"]
        for name in names
        for index, data in enumerate(pictures)
    }

    def together(turn: int) -> list[tuple[tuple[str, int], float]]:
        pairs = [(name, index) for name in names for index in range(len(pictures))]
        np.random.default_rng(turn).shuffle(pairs)
        items = [
            {
                "id": f"{name}:{index}",
                "category": name,
                # Another file each turn, so that nothing is remembered.
                "data": base64.b64encode(pictures[int(index)] + bytes([turn])).decode(),
            }
            for name, index in pairs
        ]
        with httpx.Client(base_url=server.url, timeout=120) as client:
            results = client.post("/v1/score", json={"items": items}).json()["results"]
        assert [result["id"] for result in results] == [item["id"] for item in items]
        return [
            ((name, int(index)), result["probability"])
            for (name, index), result in zip(pairs, results, strict=True)
        ]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(together, range(8)):
            for pair, probability in found:
                assert abs(probability - alone[pair]) < 2e-5


def test_300_pictures_are_refused_and_256_answered(server: Server) -> None:
    many = files("images", *[product(seed, 80, 60) for seed in range(300)])
    refused = server.client.post("/v1/score?category=many", files=many)
    assert_problem(refused, 413, "request-too-large")
    answered = server.client.post("/v1/score?category=many", files=many[:256])
    assert len(answered.json()["results"]) == 256
    assert all("probability" in result for result in answered.json()["results"])
