"""What the reader is trained on: no word, language, script or shop that is kept out of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.data import Record
from model.standins import builtin_resources
from model.standins.fonts import script_of
from model.standins.resources import NOTICES
from model.training import reader_phrases as phrases
from model.training.reader_cache import build
from model.training.reader_lines import HEIGHT, WIDTH, LineSource
from model.training.reader_views import SIZE, ReaderSource

SOURCE = ReaderSource([], builtin_resources(), 4)


def test_every_language_has_notices_and_goods() -> None:
    """Were a language without goods, its letters alone would say "notice"."""
    assert set(phrases.GOODS) == set(NOTICES)
    assert min(map(len, phrases.GOODS.values())) >= 6
    assert len(phrases.GOODS) >= 60
    assert set(NOTICES) > phrases.HELD_OUT_LANGUAGES
    assert set(map(script_of, NOTICES)) > phrases.HELD_OUT_SCRIPTS


def test_no_phrase_is_both() -> None:
    for language, notices in NOTICES.items():
        assert not set(map(phrases.squeezed, notices)) & set(
            map(phrases.squeezed, phrases.GOODS[language])
        ), language


def test_groups_part_the_phrases() -> None:
    counts: Counter[tuple[bool, str]] = Counter()
    for language in NOTICES:
        for says, table in ((True, NOTICES), (False, phrases.GOODS)):
            parts = [
                phrases.phrases(language, says, g) for g in ("seen", "phrase", "language", "script")
            ]
            assert sorted(p for part in parts for p in part) == sorted(table[language])
            for group, part in zip(("seen", "phrase", "language", "script"), parts, strict=True):
                counts[says, group] += len(part)
    for says in (True, False):
        share = counts[says, "phrase"] / (counts[says, "phrase"] + counts[says, "seen"])
        assert 0.25 < share < 0.42
        assert min(counts[says, "language"], counts[says, "script"]) >= 16


@given(st.sampled_from(sorted(NOTICES)), st.data())
def test_case_and_accents_do_not_smuggle_a_phrase_in(language: str, data: st.DataObject) -> None:
    phrase = data.draw(st.sampled_from(NOTICES[language]))
    for shown in (phrase.upper(), phrase.lower(), f"{phrase}!", f"Solvino\n{phrase}"):
        if language in (
            "tr",
            "az",
            "el",
            "hy",
        ):  # their capitals are other letters, or lose accents
            continue
        assert phrases.group_of(shown, language) == phrases.group_of(phrase, language)


def test_training_draws_only_what_it_may() -> None:
    sorts = Counter()
    for index in range(120):
        pixels, label = SOURCE.view(index)
        sorts[label.sort] += 1
        assert pixels.shape == (SIZE, SIZE, 3)
        assert pixels.dtype == np.uint8
        assert phrases.group_of(label.words, label.language) == "seen", label
        if label.sort in ("notice", "goods"):
            assert label.says_none == (label.sort == "notice")
    assert {"notice", "goods", "wordless"} <= set(sorts)
    assert not {"product", "real"} & set(sorts)


def test_a_picture_depends_on_its_number_alone() -> None:
    again = ReaderSource([], builtin_resources(), 4)
    for index in (17, 3, 17):
        np.testing.assert_array_equal(SOURCE.view(index)[0], again.view(index)[0])
    salted = ReaderSource([], builtin_resources(), 4, salt=1)
    assert any((salted.view(i)[0] != SOURCE.view(i)[0]).any() for i in range(3))


@pytest.mark.parametrize("group", ["phrase", "language"])
def test_what_is_measured_on_is_of_its_group(group: phrases.Group) -> None:
    source = ReaderSource(
        [], builtin_resources(), 4, group=group, sorts=(("notice", 0.5), ("goods", 0.5)), salt=7
    )
    labels = [source.view(i)[1] for i in range(40)]
    drawn = [label for label in labels if label.language != "en" or group == "phrase"]
    assert len(drawn) > 10
    assert {label.group for label in labels} == {group}


def test_held_out_pictures_are_not_trained_on(tmp_path: Path) -> None:
    """Of shops kept out, or kept for the learners, not one picture is opened."""
    records = []
    for i in range(30):
        for standin in (True, False):
            path = tmp_path / f"{i}-{standin}.png"
            record = Record(
                path, standin, "" if standin else "hats", language="en" if standin else "",
                group=f"shop {i}",
            )  # fmt: skip
            if record.role == "encoder":
                Image.new("RGB", (40, 30), (i, 200, 100)).save(path)
            records.append(record)
    assert {r.role for r in records} == {"encoder", "learner", "validation"}
    source = ReaderSource(records, builtin_resources(), 1, sorts=(("product", 0.5), ("real", 0.5)))
    labels = [source.view(i)[1] for i in range(80)]
    assert {label.sort for label in labels} == {"product", "real"}
    assert all(label.says_none == (label.sort == "real") for label in labels)


def test_pieces_are_close_cuts() -> None:
    source = LineSource(SOURCE)
    views = [source.view(i) for i in range(40)]
    assert {pixels.shape for pixels, _ in views} == {(HEIGHT, WIDTH)}
    assert 8 < sum(label.says_none for _, label in views) < 32
    assert all(int(pixels.max()) - int(pixels.min()) >= 15 for pixels, _ in views)


def test_a_stopped_cache_goes_on(tmp_path: Path) -> None:
    source, told = LineSource(SOURCE), []
    whole = build(source, 600, tmp_path / "whole", workers=0)
    build(source, 512, tmp_path / "part", workers=0)
    resumed = build(
        source, 600, tmp_path / "part", workers=0, progress=lambda done, all_: told.append(done)
    )
    assert told == [512, 600]
    assert resumed.labels == whole.labels
    places = np.array([0, 511, 512, 599, 3])
    np.testing.assert_array_equal(resumed.gather(places), whole.gather(places))
