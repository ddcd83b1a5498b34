"""The benchmark of ways to decode: each way that is there, the figures, the page, a tiny run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import model
from model.reports.decoding import document, figures, plots
from scripts.decoding import material, race, ways
from tests.scripts.harness import run, run_here

WAYS, _, SKIPPED = ways.installed()
# Of 255, in the mean over the square: other filters ring and blur otherwise at every edge.
CLOSE = 6.0


def _drawn(width: int = 900, height: int = 600, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), "white")
    for cells in (3, 9, 20):
        noise = Image.fromarray((rng.random((cells, cells, 3)) * 255).astype(np.uint8))
        image = Image.blend(image, noise.resize(image.size, Image.Resampling.BICUBIC), 0.4)
    return image


def _png(image: Image.Image) -> bytes:
    return material.saved(image, "PNG")


@pytest.mark.parametrize("size", [(900, 600), (330, 700), (120, 90), (8, 300)])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_each_way_gives_a_square_close_to_the_reference(
    way: ways.Way, size: tuple[int, int]
) -> None:
    reference = next(each for each in WAYS if each.name == ways.REFERENCE)
    for name in way.formats:
        data = material.saved(_drawn(*size), name)
        found = way.square(data)
        assert (found.shape, found.dtype) == ((224, 224, 3), np.uint8)
        apart = np.abs(found.astype(int) - reference.square(data).astype(int))
        assert apart.mean() < CLOSE, name


@pytest.mark.parametrize("name", ["ours", "pillow", "vips"])
def test_transparency_is_put_on_white(name: str) -> None:
    found = [way for way in WAYS if way.name == name]
    if not found:
        pytest.skip(f"{name} is not installed")
    square = found[0].square(_png(Image.new("RGBA", (300, 300), (0, 0, 0, 0))))
    assert square.min() == 255


def test_halving_alone_stops_before_the_square_is_twice_as_large() -> None:
    """Where nothing can be halved, it is the full decoding; else what Pillow's draft decodes."""
    by_name = {way.name: way for way in WAYS}
    for size, same in (((800, 500), "simplejpeg"), ((1000, 500), "draft448")):
        data = material.saved(_drawn(*size), "JPEG")
        apart = by_name["halves"].square(data).astype(int) - by_name[same].square(data)
        assert np.abs(apart).mean() < 1.0


def test_a_library_that_is_missing_is_skipped_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(ways.importlib, "import_module", missing)
    found, _, skipped = ways.installed()
    assert [line.split(":")[0] for line in skipped] == [
        "skipped OpenCV",
        "skipped PyTurboJPEG",
        "skipped libvips",
    ]
    assert all("`decoders`" in line for line in skipped)
    assert {way.name for way in found} >= {"ours", ways.REFERENCE}


def test_files_have_the_size_and_format_asked_for(tmp_path: Path) -> None:
    for number in range(5):
        _drawn(200, 100, number).save(tmp_path / f"{number}.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    _drawn(200, 100).save(tmp_path / "5.jpg", exif=turned)
    pictures = material.spread([tmp_path], 9)
    assert len(pictures) == 5  # the turned one is left out
    assert len(material.spread([tmp_path, tmp_path], 4, (".png",))) == 4
    files = material.at_size(pictures, 0.3, np.random.default_rng(0))
    for name, found in files.items():
        assert race.sizes(found) == [(775, 387)] * 5
        assert {Image.open(io.BytesIO(data)).format for data in found} == {name}
    assert [len(found) for found in material.by_format(pictures).values()] == [0, 5, 0]


def test_every_round_has_every_way_and_probabilities_are_what_score_says() -> None:
    files = [material.saved(_drawn(300, 300, seed), "JPEG") for seed in range(3)]
    chosen = ways.of_format(WAYS, "JPEG")[:2]
    told: list[tuple[int, int]] = []
    squares, spent = race.race(chosen, files, 2, lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert {name: times.shape for name, times in spent.items()} == {
        "ours": (3, 2),
        "pillow": (3, 2),
    }
    assert min(times.min() for times in spent.values()) > 0
    adapted = model.load(device="cpu").adapt()
    embeddings, probabilities = race.judge(adapted, squares["ours"], race.sizes(files))
    np.testing.assert_allclose(probabilities, adapted.score(files).numpy(), atol=1e-6)
    np.testing.assert_allclose(embeddings, adapted.model.embed(files).numpy(), atol=1e-5)


def test_ratios_are_taken_within_a_round() -> None:
    spent = {"a": np.array([[1.0, 10.0]] * 3), "b": np.array([[2.0, 20.0]] * 3)}
    found = figures.speed(spent, "b")
    assert found["a"]["ratio"] == {"estimate": 2.0, "low": 2.0, "high": 2.0}
    assert found["b"] == {"ms": 11.0, "ratio": {"estimate": 1.0, "low": 1.0, "high": 1.0}}


def test_drift_counts_neighbours_and_crossings() -> None:
    angles = np.radians([0.0, 10.0, 30.0, 45.0])
    before = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    angles[1] = np.radians(19)  # its neighbour, and that of the third, are other pictures now
    after = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    was, now = np.array([0.1, 0.4, 0.9, 0.2]), np.array([0.1, 0.6, 0.8, 0.2])
    found = figures.drift(after, now, before, was)
    assert found["same_neighbour"] == 0.5
    assert found["crossed"] == 0.25
    assert found["probability"] == pytest.approx({"mean": 0.075, "max": 0.2})
    assert found["cosine"]["min"] == pytest.approx(np.cos(np.radians(9)), abs=1e-6)


def _way(ms: float, ratio: float, **drift: Any) -> dict[str, Any]:
    nothing = {
        "cosine": {"mean": 1.0, "min": 1.0},
        "same_neighbour": 1.0,
        "probability": {"mean": 0.0, "max": 0.0},
        "crossed": 0.0,
    }
    speed = {"ms": ms, "ratio": {"estimate": ratio, "low": ratio, "high": ratio}}
    return speed | nothing | drift


def _result() -> dict[str, Any]:
    moved = {
        "cosine": {"mean": 0.99912, "min": 0.9876},
        "same_neighbour": 0.9,
        "probability": {"mean": 0.0012, "max": 0.0346},
        "crossed": 0.1,
    }
    measured = {"ours": _way(4.5, 2.17, **moved), "pillow": _way(123.4, 1.0)}
    cell = {"format": "JPEG", "pictures": 10, "kilobytes": 1234.0, "rounds": 1, "ways": measured}
    return {
        "about": {
            "command": "python scripts/bench_decoding.py",
            "date": "2026-11-23",
            "machine": "2 cores",
            "versions": {},
            "weights": "w",
            "weights_sha256": "0" * 64,
            "results": "results/decoding.json",
        },
        "skipped": ["skipped OpenCV: it is not there"],
        "titles": {"ours": "ours", "pillow": "Pillow (reference)"},
        "reference": "pillow",
        "cells": [cell | {"megapixels": size} for size in (None, 0.3, 12.0)],
        "formats": [{"megapixels": 0.3} | moved],
    }


def test_the_page_has_a_table_for_each_question_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "decoding.md"
    page.write_text(f"# Mine\n\n{document.BEGIN}\n\nold\n\n{document.END}\n\nmine too\n")
    document.write(page, _result(), {"": "images/decoding.svg"})
    text = page.read_text()
    assert text.startswith("# Mine\n")
    assert text.endswith("mine too\n")
    assert "old" not in text
    assert "Skipped OpenCV: it is not there." in text
    assert "| way | as they are | 0.3 MP | 12 MP |" in text
    assert "| ours | 4.50 (2.17×) |" in text
    assert "| Pillow (reference) | 123 (1.00×) |" in text
    assert "| ours | 0.9991 / 0.9876, 10 % other |" in text
    assert "| ours | 0.0012 / 0.035, 10 % cross |" in text
    assert text.count("| Pillow (reference) |") == 1  # it does not differ from itself
    assert "| 0.3 MP | 0.9991 / 0.9876, 10 % other | 0.0012 / 0.035, 10 % cross |" in text


def test_the_plot_needs_two_sizes(tmp_path: Path) -> None:
    assert plots.save(_result(), tmp_path / "decoding.svg")
    assert "megapixels" in (tmp_path / "decoding.svg").read_text()
    few = _result()
    few["cells"] = few["cells"][:2]
    assert not plots.save(few, tmp_path / "few.svg")


def test_a_tiny_run_writes_page_figures_and_plot(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(material.saved(_drawn(200, 150, number), "JPEG"))
    words = ["--folder", folder, "--pictures", "3", "--large", "2", "--megapixels", "0.05,0.1"]
    done = run("bench_decoding", *words, "--rounds", "1", "--out", tmp_path / "docs")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "docs" / "results" / "decoding.json").read_text()
    page = (tmp_path / "docs" / "decoding.md").read_text()
    assert str(tmp_path) not in text + page  # where folders lie is nobody's
    cells = json.loads(text)["cells"]
    assert [(c["format"], c["megapixels"], c["pictures"]) for c in cells] == [
        ("JPEG", None, 3),
        *((name, size, 3) for size in (0.05, 0.1) for name in ways.FORMATS),
    ]
    for cell in cells:
        assert cell["ways"]["ours"]["cosine"]["min"] > 0.95
        assert cell["ways"][ways.REFERENCE]["probability"]["max"] == 0
    assert (tmp_path / "docs" / "images" / "decoding.svg").exists()
    for line in SKIPPED:
        assert line in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--megapixels", "0,1"], "above 0 and at most 50"),
        (["--pictures", "1"], "2 or more"),
        (["--folder", "nowhere"], "the folders hold no pictures"),
    ],
)
def test_misuse_is_one_sentence_and_status_2(words: list[str], said: str, tmp_path: Path) -> None:
    done = run_here("bench_decoding", *words, "--out", tmp_path)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
