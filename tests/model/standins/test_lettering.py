"""Words: broken where they may be, as large as the box allows, in a face that has the letters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from model.standins.fonts import (
    SCRIPTS,
    Fonts,
    builtin_fonts,
    by_script,
    find_faces,
    script_of,
)
from model.standins.lettering import break_lines, choose_setting, recase, ring_mask, words_mask
from model.standins.names import TITLES, listed
from model.standins.resources import NOTICES
from tests.model.standins.made_fonts import save_font

seeds = st.integers(0, 2**32)
words = st.lists(st.text("abcdefgh|", min_size=1, max_size=12), min_size=1, max_size=8).map(
    " ".join
)


@given(words, st.floats(0.1, 8), st.sampled_from(["latin", "thai", "han"]), seeds)
def test_breaking_lines_loses_no_letter(text: str, aspect: float, script: str, seed: int) -> None:
    lines = break_lines(np.random.default_rng(seed), text, script, aspect)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("|", "")
    assert len(lines) <= 7
    assert all(line == line.strip() for line in lines)


@given(words, seeds)
def test_latin_words_are_broken_at_spaces_alone(text: str, seed: int) -> None:
    lines = break_lines(np.random.default_rng(seed), text.replace("|", "x"), "latin", 1.0)
    assert " ".join(lines) == text.replace("|", "x")


@given(words, st.integers(8, 400), st.integers(6, 300), seeds)
def test_words_stay_in_their_box(text: str, width: int, height: int, seed: int) -> None:
    mask = words_mask(np.random.default_rng(seed), builtin_fonts(), text, "latin", (width, height))
    assert mask is not None
    assert mask.mode == "L"
    assert mask.width <= 1.02 * width + 1
    assert mask.height <= 1.1 * height + 2


def test_words_without_a_face_are_not_drawn_as_boxes() -> None:
    rng = np.random.default_rng(0)
    assert words_mask(rng, builtin_fonts(), "Нет фото", "cyrillic", (100, 50)) is None
    assert words_mask(rng, builtin_fonts(), "Fără imagine", "latin", (100, 50)) is None


def test_a_larger_box_gives_larger_words() -> None:
    rng = [np.random.default_rng(5) for _ in range(2)]
    small = words_mask(rng[0], builtin_fonts(), "No image", "latin", (60, 30))
    large = words_mask(rng[1], builtin_fonts(), "No image", "latin", (240, 120))
    assert small is not None
    assert large is not None
    assert 3 < large.width / small.width < 5


@pytest.mark.parametrize(
    ("text", "language", "capitals"),
    [("resim yok", "tr", "RESİM YOK"), ("resim", "en", "RESIM"), ("größe", "de", "GRÖSSE")],
)
def test_capitals_follow_the_language(text: str, language: str, capitals: str) -> None:
    found = {recase(np.random.default_rng(seed), text, language) for seed in range(60)}
    assert capitals in found


@pytest.mark.parametrize("language", ["zh", "ar", "ka", "hi"])
def test_scripts_without_case_are_left_alone(language: str) -> None:
    text = NOTICES[language][0]
    assert {recase(np.random.default_rng(s), text, language) for s in range(30)} == {text}


def test_subsets_of_a_web_font_are_one_face(tmp_path: Path) -> None:
    folder = tmp_path / "box" / "files"
    save_font(folder / "box-latin-400-normal.woff", "AaEegnoRst Nimag", advance=600)
    save_font(folder / "box-latin-ext-400-normal.woff", "ăąčëğőşž", advance=400)
    save_font(folder / "box-latin-250-normal.woff", "AaEegnoRst")  # a weight that is not kept
    save_font(folder / "box-latin-400-normal.woff2.ttf", "xyz")  # of another name: a face alone
    faces = find_faces([tmp_path])
    assert sorted(len(face.files) for face in faces) == [1, 2]
    (box,) = (face for face in faces if len(face.files) == 2)
    assert box.covers("Rstëă")
    assert not box.covers("Rстё")
    # Each letter comes from the file that has it: 600 and 400 thousandths of an em.
    assert box.width("agëa", 50) == pytest.approx(3 * 30 + 20)
    picture = Image.new("L", (200, 80))
    box.draw(ImageDraw.Draw(picture), (10, 60), "aëa", 50, 255, 0)
    left, _, right, _ = picture.getbbox() or (0, 0, 0, 0)
    assert (left, right) == pytest.approx((12.5, 87.5), abs=2)


def test_a_face_is_offered_for_the_scripts_it_has(tmp_path: Path) -> None:
    save_font(tmp_path / "Both.ttf", SCRIPTS["latin"] + SCRIPTS["georgian"])
    save_font(tmp_path / "Cyrillic.ttf", SCRIPTS["cyrillic"])
    save_font(tmp_path / "NotoSansThai-Regular.ttf", SCRIPTS["thai"] + SCRIPTS["latin"])
    save_font(tmp_path / "NotoColorEmoji.ttf", SCRIPTS["latin"])  # letters that are pictures
    table = by_script(find_faces([tmp_path]))
    names = {script: {Path(face.name).stem for face in faces} for script, faces in table.items()}
    assert names == {
        "latin": {"Both"},
        "georgian": {"Both"},
        "cyrillic": {"Cyrillic"},
        "thai": {"NotoSansThai-Regular"},
    }
    chosen = Fonts(table).choose(np.random.default_rng(0), "აბ", "georgian")
    assert chosen is not None
    assert Path(chosen.name).stem == "Both"
    assert Fonts(table).choose(np.random.default_rng(0), "აბზ", "georgian") is None


def test_ring_words_lie_on_a_ring() -> None:
    rng = np.random.default_rng(0)
    setting = choose_setting(rng, builtin_fonts(), "ORIGINAL", "latin")
    assert setting is not None
    mask = np.asarray(ring_mask(rng, setting, "ORIGINAL", 200))
    y, x = np.nonzero(mask > 128)
    radius = np.hypot(x - 100, y - 100)
    assert len(radius) > 100
    assert radius.min() > 55
    assert radius.max() <= 101


def test_notices_and_titles_are_tidy() -> None:
    assert len(NOTICES) >= 60
    assert {script_of(language) for language in NOTICES} == set(SCRIPTS)
    for table in (NOTICES, TITLES):
        for language, phrases in table.items():
            assert phrases, language
            assert len(set(phrases)) == len(phrases), language
            for phrase in phrases:
                assert phrase == " ".join(phrase.split()), phrase
                assert not phrase.startswith("|"), phrase
                assert not phrase.endswith("|"), phrase
    # What is a notice must never be sold as goods.
    assert not {n for ps in NOTICES.values() for n in ps} & {
        t for ps in TITLES.values() for t in ps
    }


def test_listed_splits_at_semicolons() -> None:
    assert listed("one;  two\n  words; three\\nlines") == ("one", "two words", "three\nlines")
