"""Words in a list of notices: likeness against plain edit distance; a drawn notice is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from model.reports.peers.packages import PeerMissing, load, version_of
from model.reports.peers.words import PhraseList, WordReader, squeeze

letters = st.text("abc", max_size=8)


def edits(one: str, other: str) -> int:
    """Levenshtein distance, by the recursion's table."""
    table = np.zeros((len(one) + 1, len(other) + 1), dtype=int)
    table[:, 0], table[0, :] = range(len(one) + 1), range(len(other) + 1)
    for i, a in enumerate(one, start=1):
        for j, b in enumerate(other, start=1):
            table[i, j] = min(
                table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b)
            )
    return int(table[-1, -1])


@given(st.lists(letters, min_size=1, max_size=4), letters)
def test_likeness_is_that_of_the_best_phrase_and_the_best_part(
    phrases: list[str], text: str
) -> None:
    parts = [text[i:j] for i in range(len(text) + 1) for j in range(i, len(text) + 1)]
    kept = [p for p in phrases if p]
    expected = max((1 - min(edits(p, part) for part in parts) / len(p) for p in kept), default=0.0)
    assert PhraseList(phrases).likeness(text) == pytest.approx(expected if text else 0.0)


def test_letters_are_compared_without_what_readers_lose() -> None:
    assert squeeze("Kein Bild verfügbar!") == "keinbildverfugbar"
    assert squeeze("IMAGE  non-disponible") == "imagenondisponible"
    assert squeeze("暂无 图片") == "暂无图片"


def test_a_notice_misread_is_still_a_notice_and_a_title_is_none() -> None:
    phrases = PhraseList([squeeze("Image not available"), squeeze("Kein Bild")])
    assert phrases.likeness(squeeze("lmage not availabIe")) > 0.85
    assert phrases.likeness(squeeze("Shop: Kein Bild vorhanden")) == 1
    assert phrases.likeness(squeeze("Deep-fried tofu")) < 0.6
    assert phrases.likeness("") == 0


def test_a_package_that_is_not_there_is_named_with_what_to_do() -> None:
    for ask in (lambda: version_of("no-such-package"), lambda: load("no_such", "no-such-package")):
        with pytest.raises(PeerMissing, match=r"no-such-package is not installed.*--no-peers"):
            ask()


def test_rapidocr_reads_a_notice() -> None:
    pytest.importorskip("rapidocr_onnxruntime")
    picture = Image.new("RGB", (320, 240), "white")
    ImageDraw.Draw(picture).text(
        (40, 100), "No image available", fill="black", font=ImageFont.load_default(28)
    )
    reader = WordReader()
    seen = reader.read(picture)
    assert reader.row(seen)[0] > 0.9
    assert reader.row(reader.read(Image.new("RGB", (320, 240), "white")))[0] == 0
    assert "rapidocr" in reader.key
