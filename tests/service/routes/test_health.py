"""Alive, ready, counted; and the model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from model import Model
from tests.service.harness import Service, assert_problem, settings_for
from tests.service.pictures import product


def test_alive_and_ready(shared: Service, small_model: Model) -> None:
    assert shared.get("/healthz").json() == {"status": "alive"}
    assert shared.get("/readyz").json() == {
        "status": "ready",
        "model": small_model.card.name,
        "stale_examples": 0,
    }


def test_alive_but_not_ready_while_the_weights_load(
    small_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    async def load_late(runtime: object) -> Model:
        await gate.wait()
        return small_model

    monkeypatch.setattr("service.runtime.Runtime._load", load_late)
    with Service(settings_for(tmp_path), None) as service:
        assert service.get("/healthz").status_code == 200
        body = assert_problem(service.get("/readyz"), 503, "not-ready")
        assert "weights" in body["detail"]
        assert_problem(service.get("/v1/model"), 503, "not-ready")
        assert_problem(service.score("shoes", product(1)), 503, "not-ready")
        assert service.get("/metrics").status_code == 200
        service.portal.call(gate.set)
        service.wait_until_ready()
        assert service.get("/readyz").status_code == 200


def test_damaged_weights_are_fatal_and_said(tmp_path: Path) -> None:
    card = tmp_path / "card.json"
    card.write_text("{}")
    with Service(settings_for(tmp_path, weights=card), None) as service:
        runtime = service.app.state.runtime
        told: list[Exception] = []
        runtime._on_fatal = told.append
        service.run(lambda: asyncio.wait_for(asyncio.shield(runtime._tasks[0]), 60))
        body = assert_problem(service.get("/readyz"), 503, "not-ready")
        assert "card" in body["detail"]


def test_a_closed_store_is_not_ready(small_model: Model, tmp_path: Path) -> None:
    with Service(settings_for(tmp_path), small_model) as service:
        service.wait_until_ready()
        service.run(service.parts.store.close)
        assert_problem(service.get("/readyz"), 503, "store-unavailable")
        assert_problem(service.get("/v1/categories"), 503, "store-unavailable")
        assert_problem(service.teach("shoes", [product(1)], []), 503, "store-unavailable")
        assert service.get("/healthz").status_code == 200


def test_metrics_count_what_happened(shared: Service) -> None:
    def value(name: str, **labels: str) -> float:
        text = shared.get("/metrics").text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return 0.0

    route = {"method": "POST", "route": "/v1/score", "status": "200"}
    before = value("standin_http_requests_total", **route)
    computed = value("standin_pictures_total", outcome="computed")
    cached = value("standin_pictures_total", outcome="cached")
    shared.score("metrics", product(901), product(902))
    shared.score("metrics", product(901))
    assert value("standin_http_requests_total", **route) == before + 2
    assert value("standin_pictures_total", outcome="computed") == computed + 2
    assert value("standin_pictures_total", outcome="cached") == cached + 1
    assert value("standin_decode_seconds_count") >= 2
    assert value("standin_encode_seconds_sum") > 0
    assert value("standin_waiting_pictures") == 0
    assert value("standin_ready") == 1
    assert shared.get("/metrics").headers["content-type"].startswith("text/plain")
    # Nobody can make labels without end by asking for paths that are not there.
    shared.get("/nowhere/at/all")
    assert value("standin_http_requests_total", route="(none)", status="404") >= 1
    assert "/nowhere" not in shared.get("/metrics").text


def test_the_model_is_described(shared: Service, small_model: Model) -> None:
    body = shared.get("/v1/model").json()
    assert body["sha256"] == small_model.card.sha256
    assert body["backbone"] == "tf_efficientnet_lite0"
    assert (body["image_size"], body["embedding_dim"]) == (64, 32)
    assert (body["device"], body["precision"]) == ("cpu", "fp32")
    assert body["learner"] == small_model.card.learner
