"""Folders of fonts, icons and photographs: found, told apart by name, refused when wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.errors import StandinError
from model.standins import KINDS, PRODUCT_FAMILIES, draw, draw_product, load_resources
from model.standins.fonts import SCRIPTS, can_shape
from model.standins.glyphs import concept_of, find_icons, icon_mask
from model.standins.resources import NOTICES
from tests.model.standins.made_fonts import save_font

HALF = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256" fill="currentColor">'
    '<rect width="128" height="256"/><rect x="128" width="128" height="256" opacity="0.2"/></svg>'
)
STROKE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24" '
    'fill="none" stroke="currentColor" stroke-width="2"><path d="M12 0v24" /></svg>'
)


NAMES = """
    camera=camera camera-off=camera photo-off=picture-off image-x=picture-off images=gallery
    image=picture mountains-bold=picture shopping-cart=cart shopping-bag-fill=bag
    package=box coat-hanger=hanger eye-slash=hidden question-mark=question gift-outline=gift
    sofa=goods user-circle=person hourglass=clock file-text=file map-pin=place ghost=empty
    rocket=artwork cat=artwork guitar-pick=goods camera-bitcoin= bell-off= alpha-a-box=
    arrow-up= bell-question=
"""


@pytest.mark.parametrize("pair", NAMES.split())
def test_an_icon_shows_what_its_name_says(pair: str) -> None:
    # After the sign nothing: neither a stand-in nor goods, as a camera with a coin, an arrow.
    stem, _, concept = pair.partition("=")
    assert concept_of(stem) == concept


def test_icons_are_drawn_by_their_ink(tmp_path: Path) -> None:
    pytest.importorskip("skia")
    (tmp_path / "half.svg").write_text(HALF)
    (tmp_path / "stroke.svg").write_text(STROKE)
    half = np.asarray(icon_mask(tmp_path / "half.svg", 64)).astype(int)
    assert half.shape == (64, 64)
    assert half[:, :31].min() == 255
    assert abs(half[:, 33:].mean() - 51) < 2
    stroke = np.asarray(icon_mask(tmp_path / "stroke.svg", 48)).astype(int)
    assert (stroke[:, 22:26] > 250).all()
    assert (stroke[:, :20] == 0).all()


def test_brands_are_told_by_their_folder(tmp_path: Path) -> None:
    pytest.importorskip("skia")
    for name in ("simple-icons/icons/camera.svg", "icons/camera.svg", "icons/rocket.svg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(STROKE)
    found = find_icons([tmp_path])
    assert {concept: len(paths) for concept, paths in found.items()} == {
        "brand": 1,
        "camera": 1,
        "artwork": 1,
    }


def test_without_skia_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "camera.svg").write_text(STROKE)
    monkeypatch.setitem(sys.modules, "skia", None)
    with pytest.raises(StandinError, match="skia-python"):
        find_icons([tmp_path])


def test_all_kinds_are_drawn_from_folders(tmp_path: Path) -> None:
    pytest.importorskip("skia")
    letters = "".join(chr(c) for c in range(33, 127)) + "äöüéèàçñßăąčëğőşž×®™•€£"
    save_font(tmp_path / "fonts" / "Wide.ttf", letters)
    save_font(
        tmp_path / "fonts" / "Cyrillic.ttf", "".join(chr(c) for c in range(0x400, 0x460)) + letters
    )
    for name in ("camera", "image", "rocket", "anchor", "package"):
        path = tmp_path / "icons" / f"{name}.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(HALF)
    brand = tmp_path / "simple-icons" / "acme.svg"
    brand.parent.mkdir()
    brand.write_text(STROKE)
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    palette = Image.effect_noise((400, 200), 90).convert("P")
    palette.save(photographs / "a.png", transparency=bytes(range(256)))
    palette.convert("RGB").save(photographs / "b.jpg")
    resources = load_resources(
        [tmp_path / "fonts"], [tmp_path / "icons", brand.parent], [photographs]
    )
    assert {"en", "ru", "de"} <= set(resources.languages)
    assert "ar" not in resources.languages
    seen = set()
    for number in range(25):
        for kind in KINDS:
            drawn = draw(kind, np.random.default_rng([number, 1]), resources)
            seen.add(drawn.language)
        for family in PRODUCT_FAMILIES:
            draw_product(family, np.random.default_rng([number, 2]), resources)
    assert "ru" in seen


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("missing", "is not a folder"),
        ("fonts", "no font"),
        ("icons", "no icon"),
        ("photographs", "no photograph"),
    ],
)
def test_a_wrong_folder_is_refused(tmp_path: Path, which: str, message: str) -> None:
    folders: dict[str, list[Path]] = {"fonts": [], "icons": [], "photographs": []}
    folders["fonts" if which == "missing" else which] = [
        tmp_path / "x" if which == "missing" else tmp_path
    ]
    with pytest.raises(StandinError, match=message):
        load_resources(**folders)


@pytest.mark.skipif(not Path("/usr/share/fonts").is_dir(), reason="no fonts are installed")
def test_the_systems_fonts_write_whole_notices() -> None:
    try:
        resources = load_resources([Path("/usr/share/fonts")])
    except StandinError:
        pytest.skip("no fonts are installed")
    fonts = resources.fonts
    assert set(fonts.table) <= set(SCRIPTS)
    if not can_shape():
        assert not {"ar", "hi", "th"} & set(resources.languages)
    rng = np.random.default_rng(0)
    for language in resources.languages:
        if language == "en":
            assert all(fonts.choose(rng, text, "latin") for text in NOTICES[language])
    for seed in range(20):
        drawn = draw("text", np.random.default_rng(seed), resources)
        assert drawn.language in ("", *NOTICES)
