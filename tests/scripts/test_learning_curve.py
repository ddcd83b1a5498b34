"""Learning curves as a person measures them: views, weights and pictures made here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from model.data import load_manifest
from model.holdout import held_out
from model.standins import builtin_resources
from model.training.config import ViewsConfig
from model.training.encoder_stage import pool_views
from model.training.sources import Source
from model.training.views import build_views
from tests.scripts.harness import imported, save_untrained

SIZE = 32
DIM = 128
VIEWS = ViewsConfig(
    per_product=1,
    per_standin=2,
    drawn_standins=40,
    drawn_products=20,
    drawn_drawings=0,
    tiny=3,
)
CONFIG = f"""
name = "tiny"
[encoder]
dim = {DIM}
image_size = {SIZE}
[views]
per_product = {VIEWS.per_product}
per_standin = {VIEWS.per_standin}
[learner_stage]
learner = "prior-mixture"
components = 2
fixed_dim = 64
steps = 4
tasks = 2
most_shots = 3
"""


def _groups(held: bool) -> Iterator[str]:
    return (f"shop {i}" for i in range(1000) if held_out(f"shop {i}", "group") == held)


def _write(folder: Path, column: str, values: list[str], flat: bool) -> None:
    """Twelve pictures of each of four groups, two of them held out: flat ones, or noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(int(flat))
    lines = [f"file,{column},group"]
    for held in (False, True):
        names = _groups(held)
        for group in (next(names), next(names)):
            for number in range(12):
                pixels = rng.integers(0, 256, (1, 1, 3) if flat else (SIZE, SIZE, 3), np.uint8)
                name = f"{len(lines)}.png"
                Image.fromarray(np.broadcast_to(pixels, (SIZE, SIZE, 3)).copy()).save(folder / name)
                lines.append(f"{name},{values[number % len(values)]},{group}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, weights that have learned nothing, and the views of their training."""
    base = tmp_path_factory.mktemp("curve")
    _write(base / "data" / "goods", "category", ["shoes", "stickers"], flat=False)
    _write(base / "data" / "standins", "kind", ["blank", "text", "icon"], flat=True)
    (base / "tiny.toml").write_text(CONFIG, encoding="utf-8")
    net = save_untrained(base / "weights", DIM, SIZE)
    records = [r for name in ("goods", "standins") for r in load_manifest(base / "data" / name)]
    views = build_views(
        Source(records, builtin_resources(), VIEWS, 0, SIZE),
        net,
        3,
        base / "work" / "views-0",
        workers=0,
        device=torch.device("cpu"),
    )
    rows = pool_views(
        net, views, np.arange(len(views)), 3, torch.device("cpu"), lambda done, total: None
    )
    np.save(base / "work" / "features-0.npy", rows.half().numpy())
    log = [{"stage": "encoder", "step": s, "turning_5": 0.7 + s / 1000} for s in (9, 19)]
    (base / "work" / "log.jsonl").write_text("".join(json.dumps(e) + "\n" for e in log))
    return base


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return imported("learning_curve")


def _arguments(folder: Path, *more: str) -> list[str]:
    return [
        f"--data={folder / 'data'}",
        f"--views={folder / 'work'}",
        f"--weights={folder / 'weights'}",
        f"--config={folder / 'tiny.toml'}",
        f"--cache={folder / 'cache'}",
        f"--work={folder / 'curve'}",
        f"--out={folder / 'docs'}",
        "--episodes=6",
        "--threads=1",
        *more,
    ]


def test_curves_are_measured_reported_and_known_the_second_time(
    folder: Path, script: ModuleType
) -> None:
    # Before anything is trained, the release alone is known.
    assert script.main(_arguments(folder, "--so-far")) == 0
    path = folder / "docs" / "results" / "learning-curve.json"
    first = json.loads(path.read_text(encoding="utf-8"))
    assert [len(curve["points"]) for curve in first["curves"].values()] == [1, 1, 1]
    assert first["curves"]["data"]["laws"] == {}

    some = _arguments(folder, "--axes=data,size")
    assert script.main(some) == 0
    text = path.read_text(encoding="utf-8")
    found = json.loads(text)
    assert {axis: len(each["points"]) for axis, each in found["curves"].items()} == {
        "data": 5,
        "size": 2,
    }
    data = found["curves"]["data"]["points"]
    assert [point["data"] for point in data] == [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]
    names = [point["names"] for point in data]
    assert names == sorted(names)
    assert names[0] < names[-1]
    assert data[-1]["figures"] == first["curves"]["data"]["points"][0]["figures"]
    for curve in found["curves"].values():
        assert {"ordinary accuracy 1", "zero_shot auroc 0"} <= set(curve["laws"])
        for point in curve["points"]:
            for figure in point["figures"].values():
                assert figure["low"] - 1e-6 <= figure["estimate"] <= figure["high"] + 1e-6
    report = (folder / "docs" / "learning-curve.md").read_text(encoding="utf-8")
    assert str(folder) not in report + text  # where folders lie is nobody's
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", report)
    assert len(pictures) == 3
    for name in pictures:
        ElementTree.parse(folder / "docs" / name)

    kept = {p: p.stat().st_mtime_ns for p in (folder / "curve").rglob("*") if p.is_file()}
    assert len(kept) == 6  # 4 + 1 points and the release, without checkpoints
    assert script.main(some) == 0
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert path.read_text(encoding="utf-8") == text


def test_what_is_wrong_is_said_in_a_sentence(
    folder: Path, script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more.toml").write_text(
        CONFIG.replace("per_standin = 2", "per_standin = 9"), encoding="utf-8"
    )
    for more, said in (
        ([f"--data={tmp_path}"], "manifest.csv"),
        ([f"--views={tmp_path}"], "no features of its views"),
        ([f"--config={tmp_path / 'more.toml'}"], "the views are of other folders"),
    ):
        assert script.main(_arguments(folder, *more)) == 2
        assert said in capsys.readouterr().err
