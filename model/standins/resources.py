"""What pictures are drawn from: faces for words, icons, photographs for grounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from model.errors import StandinError
from model.standins.chance import chance, pick
from model.standins.fonts import Fonts, builtin_fonts, by_script, find_faces, script_of
from model.standins.glyphs import find_icons, icon_mask
from model.standins.marks import MARKS, cross_out, draw_mark
from model.standins.notices_latin import NOTICES_LATIN
from model.standins.notices_other import NOTICES_OTHER
from model.standins.silhouettes import SILHOUETTES, draw_silhouette

NOTICES: dict[str, tuple[str, ...]] = {**NOTICES_LATIN, **NOTICES_OTHER}
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")
# Icons of goods stand for silhouettes as well; both share the shapes drawn here.
_CONCEPT_SILHOUETTE = {
    "goods": tuple(name for name in SILHOUETTES if name != "person"),
    "person": ("person",),
}


@dataclass(frozen=True)
class Resources:
    """Fonts, icons by what they show, and photographs; made by the two functions below."""

    fonts: Fonts
    icons: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    photographs: tuple[Path, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages whose notices can be set with these fonts, sorted."""
        return _languages(self)

    def icon(self, rng: np.random.Generator, concept: str, side: int) -> Image.Image:
        """An ink mask (side, side) of an icon: from the icon folders, or drawn from scratch.

        Raises:
            StandinError: no icon shows ``concept``.
        """
        files = self.icons.get(concept, ())
        drawn = concept in MARKS or concept in _CONCEPT_SILHOUETTE or concept in ("gallery",)
        if files and (not drawn or chance(rng, 0.72)):
            return icon_mask(pick(rng, files), side)
        if concept in MARKS:
            return draw_mark(rng, concept, side)
        if concept == "gallery":
            return _stack(rng, side)
        if concept == "picture-off":
            return cross_out(rng, self.icon(rng, "picture", side), "bar")
        if concept in _CONCEPT_SILHOUETTE:
            return draw_silhouette(rng, pick(rng, _CONCEPT_SILHOUETTE[concept]), side)
        raise StandinError(f"no icon shows {concept!r}: give a folder of icons that has one")

    def artwork(self, rng: np.random.Generator, side: int) -> Image.Image:
        """An ink mask (side, side) of an icon that no stand-in shows; a figure without icons."""
        files = self.icons.get("artwork", ())
        if files:
            return icon_mask(pick(rng, files), side)
        from model.standins.emblems import emblem_mask

        return emblem_mask(rng, side)

    def photograph(self, rng: np.random.Generator) -> Image.Image | None:
        """One of the photographs (RGB, at most 320 pixels), or None if there are none."""
        return _opened(pick(rng, self.photographs)) if self.photographs else None


def _stack(rng: np.random.Generator, side: int) -> Image.Image:
    """Two pictures on top of each other, turned a little."""
    inner = max(4, round(side * 0.74))
    back, front = draw_mark(rng, "picture", inner), draw_mark(rng, "picture", inner)
    turn = float(rng.uniform(6, 18)) * (1 if chance(rng, 0.5) else -1)
    out = Image.new("L", (side, side))
    slanted = back.rotate(turn, Image.Resampling.BILINEAR, expand=True)
    out.paste(
        slanted,
        ((side - slanted.width) // 2 + side // 12, (side - slanted.height) // 2 - side // 12),
        slanted,
    )
    at = ((side - inner) // 2 - side // 12, (side - inner) // 2 + side // 12)
    box = front.getbbox() or (0, 0, inner, inner)
    out.paste(0, (at[0] + box[0] - 2, at[1] + box[1] - 2, at[0] + box[2] + 2, at[1] + box[3] + 2))
    out.paste(front, at)
    return out


@lru_cache(maxsize=256)
def _opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.draft("RGB", (320, 320))
        # The transparency of a palette may be a table, which only RGBA can hold.
        small = (picture.convert("RGBA") if picture.mode == "P" else picture).convert("RGB")
    small.thumbnail((320, 320))
    return small


@lru_cache(maxsize=16)
def _languages_for(scripts: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(lang for lang in NOTICES if script_of(lang) in scripts))


def _languages(resources: Resources) -> tuple[str, ...]:
    fonts = resources.fonts
    able = frozenset(script for script in fonts.table if fonts.can_write(script))
    languages = _languages_for(able)
    if able == frozenset(("latin",)) and len(fonts.table["latin"]) == 1:
        # The built-in font has no diacritics: keep the languages that have notices without.
        face = fonts.table["latin"][0]
        return tuple(lang for lang in languages if any(map(face.covers, NOTICES[lang])))
    return languages


def builtin_resources() -> Resources:
    """Resources that need no file: Pillow's own font, icons drawn from scratch, no photographs."""
    return Resources(builtin_fonts())


def load_resources(
    fonts: Sequence[Path] = (), icons: Sequence[Path] = (), photographs: Sequence[Path] = ()
) -> Resources:
    """Resources from folders, searched with all folders below them.

    Args:
        fonts: folders of ``.ttf``, ``.otf``, ``.ttc`` or ``.woff``. None: Pillow's own font.
        icons: folders of ``.svg``; names of files tell what they show (see docs/generator.md).
        photographs: folders of pictures, used blurred as grounds.
    Raises:
        StandinError: a folder is missing, or has none of the files it should have.
    """
    for folder in (*fonts, *icons, *photographs):
        if not Path(folder).is_dir():
            raise StandinError(f"{folder} is not a folder")
    faces = find_faces(fonts)
    if fonts and not faces:
        raise StandinError(
            f"no font file (.ttf, .otf, .ttc, .woff) in {', '.join(map(str, fonts))}"
        )
    found = find_icons(icons)
    if icons and not found:
        raise StandinError(f"no icon (.svg) in {', '.join(map(str, icons))}")
    pictures = sorted(
        p
        for folder in photographs
        for p in Path(folder).rglob("*")
        if p.suffix.lower() in _PICTURES
    )
    if photographs and not pictures:
        raise StandinError(f"no photograph in {', '.join(map(str, photographs))}")
    table = by_script(faces)
    if faces and "latin" not in table:
        table["latin"] = builtin_fonts().table["latin"]
    return Resources(Fonts(table) if faces else builtin_fonts(), found, tuple(pictures))


__all__ = ["NOTICES", "SILHOUETTES", "Resources", "builtin_resources", "load_resources"]
