"""The whole comparison on pictures and weights made here; peers that need no further package."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageDraw

from model.holdout import held_out
from model.training.sources import ViewLabel
from tests.scripts.harness import imported, save_untrained

SIZE = 32
LEARNERS = ["logistic", "prototypical", "ridge"]
PEERS = ["sklearn-logistic", "sklearn-bayes"]


def _groups(held: bool) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if held_out(f"shop {number}", "group") == held:
            yield f"shop {number}"


def _picture(kind: str, rng: np.random.Generator) -> Image.Image:
    """Goods are smooth and coloured, stand-ins flat with a mark that tells their kind."""
    if not kind:
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        return coarse.resize((40, 40), Image.Resampling.BICUBIC)
    image = Image.new("RGB", (40, 40), (int(rng.integers(200, 256)),) * 3)
    pen, x, y = ImageDraw.Draw(image), *rng.integers(2, 14, 2).tolist()
    if kind == "text":
        pen.text((x, y), "none", fill="grey")
    elif kind == "icon":
        pen.rectangle((x, y, x + 20, y + 16), outline="grey", width=3)
    return image


def _write(folder: Path, kinds: list[str], column: str, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    lines = [f"file,{column},group"]
    for held in (False, True):
        names = _groups(held)
        for _ in range(6):
            group = next(names)
            for number in range(6):
                name = f"{len(lines)}.png"
                _picture(kinds[number % len(kinds)], rng).save(folder / name)
                value = kinds[number % len(kinds)] or f"goods {number % 2}"
                lines.append(f"{name},{value},{group}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and weights that have learned nothing."""
    base = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(0)
    _write(base / "data" / "goods", [""], "category", rng)
    _write(base / "data" / "standins", ["text", "icon", "blank"], "kind", rng)
    save_untrained(base / "weights", 16, SIZE)
    return base


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return imported("compare_learners")


def _arguments(folder: Path, *more: str) -> list[str]:
    return [
        f"--data={folder / 'data'}",
        f"--weights={folder / 'weights'}",
        f"--out={folder / 'docs'}",
        f"--cache={folder / 'cache'}",
        f"--learners={','.join(LEARNERS)}",
        f"--peers={','.join(PEERS)}",
        "--episodes=8",
        "--steps=5",
        "--tasks=4",
        "--workers=0",
        "--device=cpu",
        *more,
    ]


def _result(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "docs" / "results").glob("learners-untrained-*.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def compared(folder: Path, script: ModuleType) -> Path:
    assert script.main(_arguments(folder)) == 0, "its stderr says why"
    return folder


def test_learners_and_peers_stand_side_by_side_on_the_same_tasks(compared: Path) -> None:
    found = _result(compared)
    names = ["untrained", *LEARNERS, *PEERS]
    assert list(found["entrants"]) == names
    assert found["entrants"]["untrained"]["source"] == "shipped"
    assert found["entrants"]["ridge"]["source"] == "meta-trained"
    assert found["entrants"]["logistic"]["source"] == "as built"
    entries = {(e["sort"], e["placeholder"], e["real"]): e for e in found["conditions"]}
    for shots in ((0, 0), (1, 1), (5, 5), (3, 0), (0, 3)):
        entry = entries["ordinary", *shots]
        assert list(entry["methods"]) == names
        assert list(entry["differences"]) == names[1:]
        assert entry["episodes"] >= 8
        for figures in entry["methods"].values():
            for each in figures.values():
                assert each["low"] - 1e-6 <= each["estimate"] <= each["high"] + 1e-6
    # Nothing but its support set: without one of the labels it cannot tell.
    assert entries["ordinary", 0, 0]["methods"]["logistic"]["auroc"]["estimate"] == 0.5
    costs = found["costs"]
    assert costs["ridge"]["state_bytes"] == 4 * 17
    assert all(costs[name]["adapt_ms"] > 0 for name in names)
    assert found["training"]["learners"]["ridge"]["tried"]


def test_the_report_stands_between_its_markers_with_its_pictures(compared: Path) -> None:
    report = (compared / "docs" / "learners.md").read_text(encoding="utf-8")
    assert str(compared) not in report  # where folders lie is nobody's
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", report)
    assert len(pictures) >= 2
    for name in pictures:
        ElementTree.parse(compared / "docs" / name)
    for block in re.findall(r"(?:^\|.*\|\n)+", report, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block


def test_again_it_reads_what_it_knows_and_leaves_the_rest_of_the_document(
    compared: Path, script: ModuleType
) -> None:
    path = compared / "docs" / "learners.md"
    path.write_text(path.read_text(encoding="utf-8") + "\n## Why\n\nBecause.\n", encoding="utf-8")
    before = _result(compared)
    kept = {p: p.stat().st_mtime_ns for p in (compared / "cache").rglob("*") if p.is_file()}
    assert script.main(_arguments(compared)) == 0
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert path.read_text(encoding="utf-8").endswith("\n## Why\n\nBecause.\n")
    after = _result(compared)
    for part in ("conditions", "entrants", "training", "pool"):
        assert after[part] == before[part]


def test_learners_train_on_the_views_that_the_weights_were_trained_on(
    compared: Path, script: ModuleType
) -> None:
    """Views of another encoder are refused: their held-out pictures are embedded otherwise."""
    work = compared / "work"
    (work / "views-0").mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = [
        ViewLabel(
            i % 2 == 0,
            f"goods {i % 4}" if i % 2 else "",
            "" if i % 2 else "text",
            "",
            "",
            "",
            ("encoder", "learner", "validation")[i % 3],
            False,
        )
        for i in range(90)
    ]
    lines = "".join(json.dumps(label.as_dict()) + "\n" for label in labels)
    (work / "views-0" / "shard-00000.jsonl").write_text(lines)
    np.save(work / "features-1.npy", rng.random((90, 1280)).astype(np.float16))
    args = _arguments(compared, f"--views={work}", "--no-peers")
    assert script.main(args) == 2
    np.save(work / "features-1.npy", rng.random((80, 1280)).astype(np.float16))
    assert script.main(args) == 2


def test_the_control_uses_the_first_numbers_alone_and_has_a_report_of_its_own(
    compared: Path, script: ModuleType
) -> None:
    before = (compared / "docs" / "learners.md").read_bytes()
    args = _arguments(compared, "--first=8", "--no-peers", "--learners=logistic,ridge")
    assert script.main(args) == 0
    assert (compared / "docs" / "learners.md").read_bytes() == before
    (path,) = (compared / "docs" / "results").glob("learners-first8-*.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert list(found["entrants"]) == ["logistic", "ridge"]  # the release needs all 16 numbers
    assert found["costs"]["ridge"]["state_bytes"] == 4 * 9
    assert (compared / "docs" / "learners-first8.md").exists()
    assert script.main(_arguments(compared, "--first=17")) == 2


def test_what_is_wrong_is_said_in_a_sentence(
    folder: Path, script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, said in (
        (["--learners=ridge,nobody"], "no learner is called 'nobody'"),
        (["--peers=nobody"], "no peer is called 'nobody'"),
        ([f"--data={tmp_path}"], "manifest.csv"),
        ([f"--views={tmp_path}"], "no features of its views"),
    ):
        assert script.main(_arguments(folder, *more)) == 2
        assert said in capsys.readouterr().err
