"""The whole measurement as a person starts it: a real process, pictures and weights made here."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageDraw

import model
from model.holdout import held_out
from model.processor import adds_products_of_bytes
from model.reports.features import encoder_key
from model.reports.methods import Candidate
from model.weights import find_card
from tests.scripts.harness import command, environment, imported, run, save_untrained

pytestmark = pytest.mark.imagenet
SIZE = 32


def _groups(held: bool) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if held_out(f"shop {number}", "group") == held:
            yield f"shop {number}"


def _write(folder: Path, rows: list[tuple[Image.Image, str, str]], column: str) -> None:
    folder.mkdir(parents=True)
    lines = [f"file,{column},group"]
    for number, (image, value, group) in enumerate(rows):
        image.save(folder / f"{number}.png")
        lines.append(f"{number}.png,{value},{group}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _goods(rng: np.random.Generator) -> Image.Image:
    """A smooth coloured picture."""
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return coarse.resize((48, 48), Image.Resampling.BICUBIC)


def _standin(kind: str, rng: np.random.Generator) -> Image.Image:
    """A flat tile with a mark that tells its kind."""
    image = Image.new("RGB", (48, 48), (int(rng.integers(200, 256)),) * 3)
    pen, x, y = ImageDraw.Draw(image), *rng.integers(4, 16, 2).tolist()
    if kind == "text":
        pen.text((x, y), "none", fill="grey")
    elif kind == "icon":
        pen.rectangle((x, y, x + 24, y + 20), outline="grey", width=3)
    elif kind == "logo":
        pen.ellipse((x, y, x + 26, y + 26), fill="navy")
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products and stand-ins in tiny pictures; weights that have learned nothing."""
    base = tmp_path_factory.mktemp("evaluate")
    rng = np.random.default_rng(0)
    goods: list[tuple[Image.Image, str, str]] = []
    standins: list[tuple[Image.Image, str, str]] = []
    for held, each in ((False, 5), (True, 9)):
        names = _groups(held)
        for _ in range(6):
            group = next(names)
            for number in range(each):
                goods.append((_goods(rng), f"goods {number % 2}", group))
                kind = ("text", "icon", "logo", "blank")[number % 4]
                standins.append((_standin(kind, rng), kind, group))
    _write(base / "data" / "goods", goods, "category")
    _write(base / "data" / "standins", standins, "kind")
    save_untrained(base / "weights", 16, SIZE)
    return base


def _words(folder: Path, out: str, cache: str) -> list[str]:
    return [
        f"--data={folder / 'data'}",
        f"--weights={folder / 'weights'}",
        f"--out={folder / out}",
        f"--cache={folder / cache}",
        *(
            "--tuning-episodes",
            "2",
            "--drawn",
            "40",
            "--episodes",
            "5",
            "--seed",
            "3",
            "--device",
            "cpu",
            "--threads",
            "1",
        ),
    ]


def _result(folder: Path, out: str) -> dict:  # type: ignore[type-arg]
    (path,) = (folder / out / "results").glob("*.json")
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def measured(folder: Path) -> Path:
    done = run("evaluate", *_words(folder, "docs", "cache"))
    assert done.returncode == 0, done.stderr
    return folder


def test_it_measures_ours_and_the_baseline_on_the_same_tasks(measured: Path) -> None:
    found = _result(measured, "docs")
    assert list(found["methods"]) == [
        "untrained",
        "untrained-logistic",
        "imagenet-logistic",
        "imagenet-pulled",
    ]
    assert found["baseline"] == "imagenet-logistic"
    zero = found["zero_shot"]["all"]
    assert zero["standins"] + zero["real"] > 80
    assert set(zero["methods"]) == {"untrained", "untrained-logistic", "imagenet-logistic"}
    entries = {(e["sort"], e["placeholder"], e["real"]): e for e in found["few_shot"]}
    for sort in ("ordinary", "turning"):
        for shots in ((0, 0), (1, 1), (5, 5), (3, 0), (0, 3)):
            assert set(entries[sort, *shots]["methods"]) == set(found["methods"])
    # Until there is a support set the pulled head is the zero-shot model.
    none = entries["ordinary", 0, 0]["methods"]
    assert none["imagenet-pulled"]["accuracy"] == none["imagenet-logistic"]["accuracy"]


def test_the_report_stands_between_the_markers_with_its_pictures(measured: Path) -> None:
    report = (measured / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert str(measured) not in report  # where folders lie is nobody's
    assert "--episodes 5" in report
    for name in re.findall(r"!\[.+?\]\((.+?)\)", report):
        ElementTree.parse(measured / "docs" / name)
    assert len(re.findall(r"!\[", report)) == 4
    for block in re.findall(r"(?:^\|.*\|\n)+", report, re.MULTILINE):
        widths = {line.count("|") for line in block.splitlines()}
        assert len(widths) == 1, block


def test_again_it_reads_what_it_knows_and_leaves_the_rest_of_the_document(measured: Path) -> None:
    path = measured / "docs" / "benchmarks.md"
    report = path.read_text(encoding="utf-8")
    path.write_text(report + "\n## Speed\n\nFast.\n", encoding="utf-8")
    before = _result(measured, "docs")
    cache = {p: p.stat().st_mtime_ns for p in (measured / "cache").rglob("*") if p.is_file()}
    done = run("evaluate", *_words(measured, "docs", "cache"))
    assert done.returncode == 0, done.stderr
    assert path.read_text(encoding="utf-8") == report + "\n## Speed\n\nFast.\n"
    assert _result(measured, "docs") == before
    assert {p: p.stat().st_mtime_ns for p in cache} == cache


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_figures(measured: Path) -> None:
    words = _words(measured, "docs-2", "cache-2")
    process = subprocess.Popen(
        command("evaluate", *words),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # Killed as soon as it has answered something, which is neither its beginning nor its end.
    while process.poll() is None and not list((measured / "cache-2").glob("answers-*/*.npz")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = run("evaluate", *words)
    assert done.returncode == 0, done.stderr
    whole, resumed = _result(measured, "docs"), _result(measured, "docs-2")
    assert resumed["few_shot"] == whole["few_shot"]
    assert resumed["zero_shot"] == whole["zero_shot"]


def test_what_is_wrong_is_said_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    done = run("evaluate", *_words(folder, "docs-3", "cache-3"), f"--validation={tmp_path}")
    assert done.returncode == 2
    assert "manifest.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_8_bits_are_refused_of_a_release_that_has_none(folder: Path) -> None:
    done = run("evaluate", *_words(folder, "docs-4", "cache-4"), "--int8")
    assert done.returncode == 2
    assert "cannot be run in 8 bits" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "docs-4").exists()


@pytest.mark.skipif(not adds_products_of_bytes(), reason="8 bits are refused on this processor")
def test_in_8_bits_a_release_is_a_candidate_of_its_own() -> None:
    """Its embeddings are not taken for those in single precision."""
    loaded = model.load(device="cpu")
    single = Candidate("it", "It", loaded.card.sha256, loaded.encoder, loaded.learner)
    found = imported("evaluate")._in_bytes(find_card(None), single)
    assert (found.name, found.title, found.learner) == ("it-int8", "It in 8 bits", loaded.learner)
    keys = {encoder_key(each.sha256, each.encoder) for each in (single, found)}
    assert len(keys) == 2
