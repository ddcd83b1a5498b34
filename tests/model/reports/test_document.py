"""The report: Markdown that stands where it belongs, pictures that are the same every time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from model.errors import MetricError
from model.reports import document, plots, tables
from model.reports.few_shot import Answers
from model.reports.figures import few_shot_figures, zero_shot_figures


def _noisy(rng: np.random.Generator, label: np.ndarray, gap: float) -> np.ndarray:
    return np.clip(rng.normal(0.4 + gap * label, 0.2), 0, 1)


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """A measurement of two made-up methods, in the shape that model.reports.run gives."""
    rng = np.random.default_rng(0)
    label = np.arange(200) < 60
    kinds = ["text" if i % 2 else "logo" for i in range(200)]
    tags = ["" if i % 3 else "blank-solid" for i in range(200)]
    gaps = {"ours": 0.4, "base": 0.2}
    zero = zero_shot_figures(
        {name: _noisy(rng, label, gap) for name, gap in gaps.items()},
        label,
        kinds,
        tags,
        seed=0,
        against="base",
        resamples=50,
    )
    few = []
    truth = np.tile(np.arange(10) < 5, (20, 1))
    for sort, subject in (("ordinary", None), ("turning", None), ("turning", "logo")):
        for placeholder, real in ((0, 0), (5, 5), (3, 0)):
            answers = Answers(
                {name: _noisy(rng, truth, gap) for name, gap in gaps.items()},
                truth,
                ["shoes"] * 20,
            )
            figures = few_shot_figures([answers], seed=0, against="base", resamples=20)
            about = {"pool": "real", "sort": sort, "subject": subject}
            few.append({**about, "placeholder": placeholder, "real": real, **figures})
    choice = {"C": 10.0, "standardised": False, "mean_log_loss": {"C=10": 0.1}}
    return {
        "about": {
            "command": "python scripts/evaluate.py",
            "date": "2030-01-01",
            "machine": "2 cores, CPU",
            "versions": {"torch": "2"},
            "weights": "some",
            "weights_sha256": "0" * 64,
            "results": "results/some.json",
        },
        "pool": {
            "training_standins": 10,
            "training_products": 3000,
            "standins": 60,
            "standins_from_validation": 20,
            "standin_groups": 9,
            "products": 1400,
            "product_groups": 7,
            "categories": 5,
            "drawn": 0,
            "drawn_families": 0,
        },
        "methods": {"ours": "Ours", "base": "The baseline"},
        "baseline": "base",
        "chosen": {"base": {"zero_shot": choice, "few_shot": choice}},
        "zero_shot": {"all": zero},
        "few_shot": few,
    }


def test_inserting_replaces_what_was_there_and_nothing_else() -> None:
    old = f"# A\n\n{document.BEGIN}\n\nold | figures\n\n{document.END}\n\n## B\n"
    new = document.insert(old, "new\n")
    assert new == f"# A\n\n{document.BEGIN}\n\nnew\n\n{document.END}\n\n## B\n"
    assert document.insert(new, "new") == new


@pytest.mark.parametrize(
    "broken",
    ["# A\n", document.BEGIN, document.END + document.BEGIN, document.BEGIN * 2 + document.END],
)
def test_a_document_without_its_markers_is_left_alone(
    broken: str, tmp_path: Path, result: dict[str, Any]
) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text(broken, encoding="utf-8")
    with pytest.raises(MetricError):
        document.write(path, result, {})
    assert path.read_text(encoding="utf-8") == broken


def test_the_report_holds_every_table_and_survives_json(
    tmp_path: Path, result: dict[str, Any]
) -> None:
    again = json.loads(json.dumps(result))
    document.write(tmp_path / "docs" / "benchmarks.md", again, {"roc": "images/roc.svg"})
    report = (tmp_path / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for said in (
        "60 stand-ins, 140 real pictures",
        "blank-solid",
        "5 of each",
        "3 stand-ins, 0 real",
        "(images/roc.svg)",
        "1,400 products",
        "Ours, 5 of each",
    ):
        assert said in report
    blocks = re.findall(r"(?:^\|.*\|\n)+", report, re.MULTILINE)
    assert len(blocks) >= 8
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_figures_are_written_as_readers_expect() -> None:
    figure = {"estimate": 0.91249, "low": 0.9, "high": 0.92, "n": 3}
    assert tables.with_interval(figure) == "0.912 (0.900 to 0.920)"
    assert tables.with_half(figure, 2) == "0.91 ± 0.01"
    assert tables.difference(figure).startswith("**+0.912**")
    level = {"estimate": -0.01, "low": -0.03, "high": 0.01, "n": 3}
    assert tables.difference(level) == "-0.010 (-0.030 to +0.010)"


def test_pictures_are_the_same_for_the_same_figures(tmp_path: Path, result: dict[str, Any]) -> None:
    first, again = (plots.draw_all(result, tmp_path / name) for name in ("one", "two"))
    assert set(first) == {"roc", "kinds", "k_shot", "reliability"}
    for file in first.values():
        drawn = (tmp_path / "one" / file).read_bytes()
        assert drawn == (tmp_path / "two" / file).read_bytes()
        text = " ".join(ElementTree.fromstring(drawn).itertext())
        assert "Ours" in text
        assert "The baseline" in text
    assert first == again


def test_figures_that_are_not_there_are_not_drawn(tmp_path: Path, result: dict[str, Any]) -> None:
    assert plots.draw_all({**result, "zero_shot": {}, "few_shot": []}, tmp_path) == {}
    bare = document.fragment({**result, "zero_shot": {}, "few_shot": []}, {})
    assert "Zero-shot" in bare
