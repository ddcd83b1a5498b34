"""The reader's training: batches, losses, and that it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.errors import ManifestError
from model.experts.words import Reader
from model.standins import builtin_resources
from model.training import reader_stage
from model.training.reader_cache import build
from model.training.reader_config import load_reader_config
from model.training.reader_lines import LineSource
from model.training.reader_stage import (
    ReaderStageConfig,
    Spelling,
    Vocabulary,
    augmented,
    letter_loss,
    train_stage,
    verdict_losses,
    word_loss,
)
from model.training.reader_views import ReaderLabel, ReaderSource

CONFIG = Path(__file__).parents[3] / "scripts" / "configs" / "reader.toml"


def label(words: str, says_none: int = 1) -> ReaderLabel:
    return ReaderLabel(says_none, 1, words, "en", "seen", "notice")


def test_an_epoch_shows_each_picture_once() -> None:
    batches = [reader_stage._places(3, step, 4, 10) for step in range(5)]
    flat = np.concatenate(batches)
    assert sorted(flat[:10]) == sorted(flat[10:]) == list(range(10))
    assert list(flat[:10]) != list(flat[10:])


def test_words_share_their_label() -> None:
    labels = [label("No image"), label("no\nPHOTO"), label("图片|暂缺"), label("No rare")]
    vocabulary = Vocabulary([*labels, *labels[:3]], least=2)
    assert vocabulary.words == sorted(["no", "image", "photo", "图片", "暂缺"])
    targets = vocabulary.targets(labels)
    torch.testing.assert_close(targets.sum(1), torch.ones(4))
    assert targets[3, vocabulary.words.index("no")] == 1
    assert float(vocabulary.targets([label("")]).sum()) == 0


def test_what_is_not_known_costs_nothing() -> None:
    vocabulary = Vocabulary([label("no")], least=1)
    unknown = ReaderLabel(-1, -1, "", "", "seen", "real")
    logits, wide = torch.tensor([3.0]), torch.zeros(1, 1)
    parts = [
        *verdict_losses(logits, logits, [unknown]),
        word_loss(wide, vocabulary.targets([unknown])),
        letter_loss(torch.zeros(1, 2), vocabulary.spelled([unknown])),
    ]
    assert [float(part) for part in parts] == [0, 0, 0, 0]


def test_letters_that_are_there_weigh_as_much_as_those_that_are_not() -> None:
    wanted = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    even = letter_loss(torch.zeros(1, 4), wanted)
    torch.testing.assert_close(even, torch.tensor(11 * np.log(2), dtype=torch.float32))
    right = letter_loss(torch.tensor([[9.0, -9.0, -9.0, -9.0]]), wanted)
    assert float(right) < 0.01 < float(even)


def test_pictures_are_moved_and_inverted() -> None:
    pixels = np.full((64, 32, 32), 128, dtype=np.uint8)
    pixels[:, 16, 16] = 255
    found = augmented(pixels, np.random.default_rng(0), 4)
    assert found.shape == pixels.shape
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1
    apart = np.abs(found - found[:, :1, :1]).reshape(64, -1)
    rows, columns = np.divmod(apart.argmax(1), 32)
    assert rows.min() == columns.min() == 12
    assert rows.max() == columns.max() == 20
    bright = found[np.arange(64), rows, columns] > 0.5
    assert 16 < bright.sum() < 48


def test_it_learns_and_goes_on_where_it_was(tmp_path: Path) -> None:
    cached = build(
        LineSource(ReaderSource([], builtin_resources(), 4)), 64, tmp_path / "pieces", workers=0
    )
    vocabulary = Vocabulary(cached.labels, least=2)
    config = ReaderStageConfig("reading", "pieces", steps=24, batch=16, learning_rate=5e-3, shift=0)

    def run(folder: Path) -> Reader:
        torch.manual_seed(0)
        reader = Reader(width=16, deep=16, heads=2)
        spelling = Spelling(reader, vocabulary)
        train_stage(
            reader, spelling, vocabulary, cached, config,
            seed=1, folder=folder, fingerprint="f",
        )  # fmt: skip
        return reader

    whole = run(tmp_path / "whole")
    lines = (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    assert len(lines) == 2
    again = run(tmp_path / "whole")  # it is done: nothing is trained, all is restored
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps =", "stepps ="), "stepps"),
        (("seed = ", "seed = 0.5 #"), "seed"),
        (("[[stages]]", "[[stage]]"), "stage"),
        (('on = "pieces"', 'on = "words"'), "words"),
        (("finding", "reading"), "name of its own"),
        (("pieces = ", "#"), "pieces"),
        (("name = ", "name = = "), "cannot read"),
    ],
)
def test_a_wrong_configuration_is_refused(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    assert load_reader_config(CONFIG).name == "standin-reader"
    path = tmp_path / "wrong.toml"
    path.write_text(CONFIG.read_text().replace(*change))
    with pytest.raises(ManifestError, match=message):
        load_reader_config(path)
