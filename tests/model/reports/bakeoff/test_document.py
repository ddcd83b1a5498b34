"""The report of a bake-off: who stands first, tables of one width, pictures that stay the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from model.errors import MetricError
from model.reports.bakeoff import document, plots, tables
from model.reports.bakeoff.figures import METRICS, condition_figures
from model.reports.bakeoff.lineup import family_of
from model.reports.few_shot import Answers

NAMES = {"shipped": 0.3, "close": 0.25, "poor": 0.0}
SHOTS = ((0, 0), (1, 1), (5, 5), (3, 0), (0, 3))


def _answers(rng: np.random.Generator) -> Answers:
    label = np.tile(np.arange(8) < 4, (10, 1))
    found = {
        name: np.clip(rng.normal(0.4 + gap * label, 0.2), 0.01, 0.99) for name, gap in NAMES.items()
    }
    return Answers(found, label, ["goods"] * 10)


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """Three made-up methods, in the shape that scripts/compare_learners.py gives."""
    rng = np.random.default_rng(0)
    conditions = [
        {
            "sort": sort,
            "placeholder": placeholder,
            "real": real,
            "subjects": [],
            **condition_figures([_answers(rng)], seed=0, against="shipped", resamples=20),
        }
        for sort in ("ordinary", "turning")
        for placeholder, real in SHOTS
    ]
    cost = {"adapt_ms": 0.5, "score_ms": 0.001, "state_bytes": 2052, "look_ms": None}
    record = {
        "choice": "learning rate 0.01",
        "tried": {"learning rate 0.01": 0.4, "learning rate 1": float("inf")},
        "losses": [0.7, 0.5, 0.3],
        "seconds": 12.0,
        "parameters": 1026,
        "options": {},
    }
    sources = {"shipped": "shipped", "close": "meta-trained", "poor": "peer"}
    families = {"shipped": "closed form", "close": "metric", "poor": "peers"}
    return {
        "about": {
            "command": "python scripts/compare_learners.py",
            "date": "2026-01-01",
            "machine": "2 cores, CPU",
            "versions": {"Python": "3"},
            "weights": "w",
            "weights_sha256": "0" * 64,
            "results": "results/x.json",
        },
        "pool": {"name": "real", "measured": 100, "digest": "d"},
        "training": {
            "budget": {"steps": 3, "tasks": 4, "most_shots": 20, "rates": [0.01, 1], "share": 0.2},
            "pictures": 1000,
            "views": True,
            "learners": {"close": record},
        },
        "entrants": {
            name: {"title": name, "family": families[name], "source": sources[name]}
            for name in NAMES
        },
        "conditions": conditions,
        "costs": {"support": 10, "queries": 32, **{name: cost for name in NAMES}},
    }


def test_the_best_stands_first_and_hopeless_tasks_count_for_nothing(
    result: dict[str, Any],
) -> None:
    assert tables.standing(result) == ["shipped", "close", "poor"]
    hopeless = [e for e in result["conditions"] if e["sort"] == "turning" and e["real"] == 0]
    assert len(hopeless) == 2
    before = tables.over_conditions(result, "close", "auroc")
    kept = [e["methods"]["close"]["auroc"] for e in hopeless]
    saved = [dict(figure) for figure in kept]
    for figure in kept:
        figure["estimate"] = 0.0
    assert tables.over_conditions(result, "close", "auroc") == before
    for figure, old in zip(kept, saved, strict=True):
        figure.update(old)
    # Both sorts weigh the same, though one has fewer conditions that count.
    by_sort = [tables.over_conditions(result, "close", "auroc", s) for s in tables.SORTS]
    assert before == pytest.approx(np.mean(by_sort))


def test_every_table_has_one_width_and_every_method_in_it(result: dict[str, Any]) -> None:
    text = document.fragment(result, {})
    blocks = re.findall(r"(?:^\|.*\|\n?)+", text, re.MULTILINE)
    assert len(blocks) >= 10
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1, block
    for found in (
        tables.standing_table(result),
        tables.five_table(result, "turning"),
        *(tables.shots_table(result, "ordinary", metric) for metric in METRICS),
    ):
        assert len(found.splitlines()) == 2 + len(NAMES)
    # The one that differences are to has none.
    assert len(tables.differences_table(result, "turning", "auroc").splitlines()) == 1 + len(NAMES)
    assert "diverged" in tables.training_table(result)
    assert tables.five_table(result, "turning", (7, 7)) == ""


def test_a_difference_that_chance_does_not_explain_is_bold(result: dict[str, Any]) -> None:
    entry = next(e for e in result["conditions"] if e["sort"] == "ordinary" and e["real"] == 5)
    figure = entry["differences"]["poor"]["auroc"]
    assert figure["high"] < 0
    row = next(
        line
        for line in tables.differences_table(result, "ordinary", "auroc").splitlines()
        if line.startswith("| poor")
    )
    assert f"**{figure['estimate']:+.3f}**" in row


def test_pictures_are_the_same_for_the_same_figures(result: dict[str, Any], tmp_path: Path) -> None:
    first = plots.draw_all(result, tmp_path / "a")
    again = plots.draw_all(result, tmp_path / "b")
    assert first == again
    assert set(first) == {"auroc", "accuracy", "cost"}
    for name in first.values():
        one, other = (tmp_path / folder / name for folder in "ab")
        assert one.read_bytes() == other.read_bytes()
        assert "close" in "".join(ElementTree.parse(one).getroot().itertext())


def test_the_report_leaves_the_rest_of_the_document_alone(
    result: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "learners.md"
    document.write(path, result, {})
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Learners")
    path.write_text(text + "\nMine.\n", encoding="utf-8")
    document.write(path, result, {})
    assert path.read_text(encoding="utf-8") == text + "\nMine.\n"
    path.write_text("# Learners\n", encoding="utf-8")
    with pytest.raises(MetricError, match="bake-off"):
        document.write(path, result, {})


def test_every_learner_stands_beside_others() -> None:
    assert family_of("maml") == "gradient steps"
    assert family_of("siamese") == "metric"
    assert family_of("something new") == "closed form"
