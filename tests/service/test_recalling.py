"""A picture that was scored before is known after a restart, where asking for it pays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import model
from model import Model
from service import recalling
from service.store import Store
from tests.service.harness import Service, settings_for
from tests.service.pictures import product, standin


@pytest.fixture(scope="module")
def released() -> Model:
    """With experts and policy, which look at some pictures in part."""
    return model.load(device="cpu")


def became(service: Service, outcome: str) -> float:
    registry = service.app.state.metrics.registry
    found = registry.get_sample_value("standin_pictures_total", {"outcome": outcome})
    assert found is not None
    return float(found)


def looked(service: Service, expert: str) -> float:
    registry = service.app.state.metrics.registry
    found = registry.get_sample_value("standin_expert_pictures_total", {"expert": expert})
    assert found is not None
    return float(found)


def test_after_a_restart_nothing_is_decoded_again(tmp_path: Path, released: Model) -> None:
    pictures = [standin(seed) for seed in range(4)] + [product(seed) for seed in range(4)]
    scored = []
    for start in range(3):
        with Service(settings_for(tmp_path), released) as service:
            service.wait_until_ready()
            answer = service.score("shoes", *pictures)
            assert answer.status_code == 200
            scored.append(answer.json()["results"])
            assert became(service, "computed") == (0 if start else 8)
            # The released policy settles some at a glance, and that is kept, too.
            assert (looked(service, "glance") > 0) == (start == 0)
            assert became(service, "recalled") == (8 if start else 0)
            # Once it is remembered, nobody reads it again.
            service.score("shoes", *pictures)
            assert became(service, "recalled") == (8 if start else 0)
    for first, *later in zip(*scored, strict=True):
        for other in later:
            # Kept in half precision.
            assert other["probability"] == pytest.approx(first["probability"], abs=0.01)
            assert other["decision"] == first["decision"]


def test_what_is_kept_in_part_is_computed_where_more_is_wanted(
    tmp_path: Path, released: Model
) -> None:
    pictures = [standin(seed) for seed in range(4)] + [product(seed) for seed in range(4)]
    with Service(settings_for(tmp_path), released) as service:
        service.wait_until_ready()
        service.score("shoes", *pictures)
    with Service(settings_for(tmp_path), released) as service:
        service.wait_until_ready()
        # An example is seen by every expert, whatever is kept of it.
        taught = service.teach("shoes", pictures[:4], pictures[4:])
        assert taught.status_code == 200
        assert taught.json()["added"] == 8
        assert became(service, "computed") == 8


def test_other_weights_know_nothing(tmp_path: Path, released: Model, small_model: Model) -> None:
    with Service(settings_for(tmp_path), released) as service:
        service.wait_until_ready()
        service.score("shoes", product(1))
    with Service(settings_for(tmp_path), small_model) as service:
        service.wait_until_ready()
        assert service.score("shoes", product(1)).status_code == 200
        assert became(service, "recalled") == 0
        assert became(service, "computed") == 1


def test_where_it_does_not_pay_nobody_asks_but_now_and_then(
    tmp_path: Path, small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    read = Store.known_pictures

    async def counted(self: Store, tenant: str, hashes: list[str], model_sha256: str) -> Any:
        asked.append(len(hashes))
        return await read(self, tenant, hashes, model_sha256)

    monkeypatch.setattr(Store, "known_pictures", counted)
    monkeypatch.setattr(recalling, "_MEMORY", 0.2)
    monkeypatch.setattr(recalling, "_PROBE", 8)
    with Service(settings_for(tmp_path), small_model) as service:
        service.wait_until_ready()
        for seed in range(40):
            service.score("shoes", product(seed, 40, 40))
        # New pictures alone: asked until that was seen, and at every eighth request since.
        assert 18 <= len(asked) <= 26
    asked.clear()
    with Service(settings_for(tmp_path), small_model) as service:
        service.wait_until_ready()
        for seed in range(40):
            service.score("shoes", product(seed, 40, 40))
        assert len(asked) == 40
        assert became(service, "recalled") == 40


def test_who_remembers_nothing_does_not_ask(tmp_path: Path, released: Model) -> None:
    settings = settings_for(tmp_path, cache_pictures=0)
    for _ in range(2):
        with Service(settings, released) as service:
            service.wait_until_ready()
            assert service.score("shoes", product(1)).status_code == 200
            assert became(service, "computed") == 1
            assert became(service, "recalled") == 0
