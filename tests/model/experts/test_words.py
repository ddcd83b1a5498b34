"""The reader of words: its arithmetic, its files, and what the released one reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.errors import WeightsError
from model.experts.words import (
    RELEASED,
    SIGNAL,
    Reader,
    even_out,
    load_reader,
    load_reader_card,
    save_reader,
    to_grey,
)
from model.metrics import auroc
from model.standins import builtin_resources, draw
from model.training.reader_measure import drawn_scores

ABOUT = {
    "version": "0",
    "metrics": {},
    "training_data": {},
    "git_revision": "none",
    "created": "2026-01-01T00:00:00+00:00",
}


def untrained(seed: int = 0) -> Reader:
    """A reader with statistics of its own in every normalisation."""
    torch.manual_seed(seed)
    reader = Reader(width=16, deep=16, heads=2)
    for _ in range(3):
        reader.read_grey(torch.rand(4, 64, 64))
    return reader.eval()


def pixels(n: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (n, 224, 224, 3), dtype=np.uint8))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_reading_has_a_row_a_picture(n: int) -> None:
    reading = untrained().read(pixels(n))
    assert reading.signal.shape == (n, SIGNAL)
    assert reading.says_none.shape == reading.lettering.shape == (n,)
    assert reading.place.shape == (n, 14, 14)
    assert all(value.dtype == torch.float32 for value in vars(reading).values())
    torch.testing.assert_close(reading.signal.norm(dim=1), torch.ones(n))
    torch.testing.assert_close(reading.place.sum((1, 2)), torch.ones(n))
    assert bool((reading.place >= 0).all())


def test_neighbours_in_a_batch_change_nothing() -> None:
    reader, many = untrained(), pixels(4)
    together = reader.read(many)
    for i in range(4):
        alone = reader.read(many[i : i + 1])
        torch.testing.assert_close(alone.signal[0], together.signal[i], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone.says_none[0], together.says_none[i], atol=1e-4, rtol=1e-4)


def test_folding_changes_nothing() -> None:
    reader, many = untrained(), pixels(3)
    before, after = reader.read(many), reader.folded().read(many)
    for name, value in vars(before).items():
        torch.testing.assert_close(getattr(after, name), value, atol=1e-4, rtol=1e-4)
    assert reader.folded().folded().is_folded


def test_what_it_cannot_read_is_refused() -> None:
    reader = untrained()
    for wrong in (pixels(1).float(), pixels(1)[0], pixels(1)[..., :1]):
        with pytest.raises(ValueError, match="uint8"):
            reader.read(wrong)
    with pytest.raises(ValueError, match="eval"):
        reader.train().read(pixels(1))
    with pytest.raises(ValueError, match="multiple"):
        Reader(deep=10, heads=4)


def test_grey_is_what_pillow_makes() -> None:
    many = pixels(2)
    for picture, grey in zip(many.numpy(), to_grey(many), strict=True):
        wanted = np.asarray(Image.fromarray(picture).convert("L"), dtype=np.float32)
        assert np.abs(grey.numpy() * 255 - wanted).max() < 1.01


@given(st.floats(0.3, 1.0), st.floats(0.0, 0.5), st.integers(0, 2**16))
def test_brightness_and_contrast_are_evened_out(gain: float, lift: float, seed: int) -> None:
    """Away from the floor, a x + b looks like x, and 1 - x like its negative."""
    rng = np.random.default_rng(seed)
    grey = torch.from_numpy(rng.integers(0, 2, (1, 1, 64, 96)).astype(np.float32))
    plain = even_out(grey)
    torch.testing.assert_close(even_out(grey * gain + lift), plain, atol=0.08, rtol=0.08)
    torch.testing.assert_close(even_out(1 - grey), -plain, atol=1e-4, rtol=1e-4)


def test_an_even_picture_stays_silent() -> None:
    assert float(even_out(torch.full((1, 1, 64, 64), 0.7)).abs().max()) < 1e-3


def test_saving_and_loading_change_nothing(tmp_path: Path) -> None:
    reader = untrained(1)
    path = tmp_path / "some.json"
    save_reader(path, reader, ABOUT)
    again = load_reader(path)
    for name, value in vars(reader.folded().read(pixels(2))).items():
        assert torch.equal(getattr(again.read(pixels(2)), name), value)
    assert load_reader_card(path).options == {"width": 16, "deep": 16, "heads": 2}


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    save_reader(path, untrained(), ABOUT)
    good = path.read_text()
    path.with_suffix(".safetensors").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="SHA-256"):
        load_reader(path)
    path.with_suffix(".safetensors").unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        load_reader(path)
    for change in ({"weights": "../x"}, {"weights": ""}, {"surplus": 1}, {"sha256": 5}):
        path.write_text(json.dumps(json.loads(good) | change))
        with pytest.raises(WeightsError):
            load_reader(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        load_reader(tmp_path / "none.json")


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    save_reader(path, untrained(), ABOUT)
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"options": {"width": 8, "deep": 16, "heads": 2}}))
    with pytest.raises(WeightsError, match="does not fit"):
        load_reader(path)


def test_the_release_is_small() -> None:
    assert RELEASED.with_suffix(".safetensors").stat().st_size < 1_500_000


def test_the_release_tells_notices_from_ordinary_words() -> None:
    """Fresh drawings in a face it was never trained on; what it never learned ranks by chance."""
    scores, is_notice, _ = drawn_scores(load_reader(), builtin_resources(), 5, "seen", 300)
    assert auroc(scores.astype(float), is_notice) > 0.66
    chance, _, _ = drawn_scores(untrained(), builtin_resources(), 5, "seen", 300)
    assert abs(auroc(chance.astype(float), is_notice) - 0.5) < 0.1


def test_the_release_tells_phrases_that_it_never_saw() -> None:
    scores, is_notice, _ = drawn_scores(load_reader(), builtin_resources(), 5, "phrase", 300)
    assert auroc(scores.astype(float), is_notice) > 0.58


def test_the_release_knows_where_there_is_no_lettering() -> None:
    from model.images import letterbox

    reader, rng = load_reader(), np.random.default_rng(6)
    found = {}
    for kind in ("text", "blank"):
        drawn = [letterbox(draw(kind, rng, builtin_resources()).image, 224) for _ in range(80)]
        found[kind] = reader.read(torch.from_numpy(np.stack(drawn))).lettering.numpy()
    scores = np.concatenate([found["text"], found["blank"]]).astype(float)
    assert auroc(scores, np.arange(160) < 80) > 0.9
