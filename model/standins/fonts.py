"""Faces: fonts found in folders, grouped by the script they can write.

A face may be several files: web fonts come cut into subsets (Latin, Latin extended, Cyrillic), and
a line is then set in runs, each from the file that has its letters.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import ImageDraw, ImageFont, features

from model.standins.chance import Real, chance, pick

Loaded = ImageFont.FreeTypeFont

# Letters that a face must have before it is offered for a script.
SCRIPTS: dict[str, str] = {
    "latin": "AaEegnoRst", "cyrillic": "ЖжИиЯяфт", "greek": "ΑαΩωθλ", "hebrew": "אבגשת",
    "arabic": "ابجدمي", "devanagari": "अकमह", "bengali": "অকমহ", "gurmukhi": "ਅਕਮਹ",
    "gujarati": "અકમહ", "tamil": "அகமட", "telugu": "అకమహ", "kannada": "ಅಕಮಹ",
    "malayalam": "അകമഹ", "sinhala": "අකමහ", "thai": "กขมร", "lao": "ກຂມລ", "khmer": "កខមរ",
    "burmese": "ကခမရ", "georgian": "აბგდ", "armenian": "ԱաԲբ", "ethiopic": "አበገመ",
    "han": "图画无中", "hant": "圖畫無中", "kana": "あアのン", "hangul": "가나이미",
}  # fmt: skip

_LANGUAGE_SCRIPT: dict[str, str] = {
    **dict.fromkeys(["ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "mn", "tg"], "cyrillic"),
    **dict.fromkeys(["he", "yi"], "hebrew"),
    **dict.fromkeys(["ar", "fa", "ur", "ps", "ckb"], "arabic"),
    **dict.fromkeys(["hi", "mr", "ne"], "devanagari"),
    "el": "greek", "bn": "bengali", "pa": "gurmukhi", "gu": "gujarati", "ta": "tamil",
    "te": "telugu", "kn": "kannada", "ml": "malayalam", "si": "sinhala", "th": "thai",
    "lo": "lao", "km": "khmer", "my": "burmese", "ka": "georgian", "hy": "armenian",
    "am": "ethiopic", "zh": "han", "zh-tw": "hant", "ja": "kana", "ko": "hangul",
}  # fmt: skip

# Scripts whose letters join or move: unreadable when they are set one after the other.
SHAPED = frozenset(
    [
        "hebrew",
        "arabic",
        "devanagari",
        "bengali",
        "gurmukhi",
        "gujarati",
        "tamil",
        "telugu",
        "kannada",
        "malayalam",
        "sinhala",
        "thai",
        "lao",
        "khmer",
        "burmese",
    ]
)
CASED = frozenset(("latin", "cyrillic", "greek", "armenian"))
WIDE = frozenset(("han", "hant", "kana"))  # may break between any two characters


def script_of(language: str) -> str:
    """The script that a language (ISO 639-1, or ``zh-tw``) is written in; Latin if not listed."""
    return _LANGUAGE_SCRIPT.get(language, "latin")


@lru_cache(maxsize=1)
def can_shape() -> bool:
    """Whether Pillow can shape: it needs raqm, and FriBiDi for right-to-left."""
    return bool(features.check("raqm") and features.check("fribidi"))


@runtime_checkable
class Face(Protocol):
    """Something that can set a line of words."""

    @property
    def name(self) -> str:
        """What the face is called; for a font file, its path."""

    def covers(self, words: str) -> bool:
        """Whether every letter of ``words`` has a glyph."""

    def width(self, line: str, size: int) -> float:
        """Advance of a line in pixels."""

    def draw(
        self, draw: ImageDraw.ImageDraw, at: tuple[Real, Real], line: str, size: int,
        fill: int, stroke: int,
    ) -> None:  # fmt: skip
        """Draw a line on an "L" picture, its baseline starting at ``at``."""


@lru_cache(maxsize=768)
def _load(path: str, index: int, size: int) -> Loaded:
    return ImageFont.truetype(path, size, index=index)


@lru_cache(maxsize=64)
def _load_default(size: int) -> Loaded:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):  # pragma: no cover - Pillow without FreeType
        raise RuntimeError("Pillow was built without FreeType, which drawing words needs")
    return font


@dataclass(frozen=True)
class BuiltinFace:
    """Pillow's own font: plain Latin without diacritics beyond Latin-1, always there."""

    name: str = "builtin"

    def covers(self, words: str) -> bool:
        """Printable ASCII only: what the built-in font surely has."""
        return all(" " <= c <= "~" for c in words)

    def width(self, line: str, size: int) -> float:
        """Advance of a line in pixels."""
        return float(_load_default(size).getlength(line))

    def draw(
        self, draw: ImageDraw.ImageDraw, at: tuple[Real, Real], line: str, size: int,
        fill: int, stroke: int,
    ) -> None:  # fmt: skip
        """Draw a line, its baseline starting at ``at``."""
        draw.text(at, line, fill=fill, font=_load_default(size), anchor="ls", stroke_width=stroke)


@dataclass(frozen=True)
class FontFile:
    """One font file (or one font of a collection) and the characters it has."""

    path: Path
    index: int = 0

    @cached_property
    def characters(self) -> frozenset[int]:
        """Code points with a glyph, read from the cmap table alone."""
        from fontTools.ttLib import TTFont  # here: the built-in resources need no fontTools

        with TTFont(self.path, fontNumber=self.index, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())


@dataclass(frozen=True)
class FileFace:
    """A typeface in one or more files; see the module's text."""

    name: str
    files: tuple[FontFile, ...]
    _runs: dict[str, tuple[tuple[int, str], ...]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def covers(self, words: str) -> bool:
        """Whether every letter of ``words`` has a glyph in one of the files."""
        return all(
            any(ord(c) in f.characters for f in self.files) for c in words if not c.isspace()
        )

    def _split(self, line: str) -> tuple[tuple[int, str], ...]:
        if len(self.files) == 1:
            return ((0, line),)
        found = self._runs.get(line)
        if found is not None:
            return found
        runs: list[tuple[int, str]] = []
        current = 0
        for c in line:
            if ord(c) not in self.files[current].characters:
                current = next(
                    (i for i, f in enumerate(self.files) if ord(c) in f.characters), current
                )
            if runs and runs[-1][0] == current:
                runs[-1] = (current, runs[-1][1] + c)
            else:
                runs.append((current, c))
        if len(self._runs) > 4096:  # a bound, not a policy: lines rarely come back
            self._runs.clear()
        self._runs[line] = tuple(runs)
        return tuple(runs)

    def _font(self, i: int, size: int) -> Loaded:
        return _load(str(self.files[i].path), self.files[i].index, size)

    def width(self, line: str, size: int) -> float:
        """Advance of a line in pixels."""
        return float(sum(self._font(i, size).getlength(run) for i, run in self._split(line)))

    def draw(
        self, draw: ImageDraw.ImageDraw, at: tuple[Real, Real], line: str, size: int,
        fill: int, stroke: int,
    ) -> None:  # fmt: skip
        """Draw a line, its baseline starting at ``at``."""
        x, y = at
        for i, run in self._split(line):
            font = self._font(i, size)
            draw.text((x, y), run, fill=fill, font=font, anchor="ls", stroke_width=stroke)
            x += font.getlength(run)


_SUBSET = re.compile(
    r"^(?P<family>.+?)-(?P<subset>[a-z]+(?:-ext)?)-(?P<style>\d{3}-(?:normal|italic))$"
)
_KEPT_STYLES = ("400-normal", "700-normal", "300-normal", "900-normal", "400-italic")
# Fonts of pictograms and of barcodes have letters in their tables that do not look like letters.
_NOT_LETTERS = re.compile(
    r"symbol|emoji|icon|barcode|math|music|redacted|signwriting|hieroglyph|fallback|indic?siyaq",
    re.IGNORECASE,
)


def _grouped(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Files by face: the subsets of one web font and style together, any other file alone."""
    groups: dict[str, list[Path]] = {}
    for path in files:
        match = _SUBSET.match(path.stem)
        if match is None:
            groups[str(path)] = [path]
        elif match["style"] in _KEPT_STYLES:
            groups.setdefault(f"{path.parent}/{match['family']}-{match['style']}", []).append(path)
    return groups


def find_faces(folders: Sequence[Path]) -> list[FileFace]:
    """Faces in these folders and below, sorted by path so that a seed means the same again.

    ``.woff2`` is skipped: the same web font always comes as ``.woff`` too, which opens faster.
    """
    files = sorted(
        path
        for folder in folders
        for path in Path(folder).rglob("*")
        if path.suffix.lower() in (".ttf", ".otf", ".ttc", ".woff")
        and not _NOT_LETTERS.search(path.stem)
    )
    faces: list[FileFace] = []
    for key, group in _grouped(files).items():
        # The plain Latin subset first: runs then prefer it for digits, spaces and marks.
        group.sort(key=lambda p: ("-latin-" not in p.name, "-ext-" in p.name, p.name))
        if group[0].suffix.lower() == ".ttc":
            faces += [
                FileFace(f"{key}#{i}", (FontFile(group[0], i),)) for i in range(_fonts_in(group[0]))
            ]
        else:
            faces.append(FileFace(key, tuple(FontFile(p) for p in group)))
    return faces


def _fonts_in(collection: Path) -> int:
    from fontTools.ttLib import TTCollection

    with TTCollection(str(collection), lazy=True) as fonts:
        return len(fonts)


def by_script(faces: Sequence[FileFace]) -> dict[str, tuple[Face, ...]]:
    """Faces for each script that they can write.

    For Latin, faces made for another script are left out (the Noto fonts: their Latin is a copy
    of one and the same design and would drown all others).
    """
    table: dict[str, list[Face]] = {script: [] for script in SCRIPTS}
    for face in faces:
        able = [script for script, sample in SCRIPTS.items() if face.covers(sample)]
        foreign = Path(face.name).stem.startswith("Noto") and not face.covers("ăąčëğőşž")
        for script in able:
            if script == "latin" and foreign:
                continue
            if script in ("greek", "cyrillic") and "CJK" in face.name:
                continue  # full-width forms
            table[script].append(face)
    return {script: tuple(found) for script, found in table.items() if found}


# What most web pages are set in, and so most notices: these come up every second time.
_EVERYDAY = re.compile(
    r"arimo|roboto-[347]|roboto-latin|open-sans|/lato|/inter-|montserrat|carlito|ubuntu-[347]|source-sans|"
    r"tinos|poppins|nunito|raleway|NotoSans-|NotoSans(?:Arabic|Hebrew)-|NotoNaskh|DejaVuSans(?:-Bold)?\.|"
    r"heebo|assistant|cairo|tajawal|vazirmatn|pt-sans|fira-sans|work-sans|NotoSansCJK|NotoSansThai"
)


@dataclass(frozen=True)
class Fonts:
    """All faces, by script."""

    table: dict[str, tuple[Face, ...]]

    @cached_property
    def everyday(self) -> dict[str, tuple[Face, ...]]:
        """The faces that web pages are commonly set in, by script."""
        return {
            script: tuple(f for f in faces if _EVERYDAY.search(f.name))
            for script, faces in self.table.items()
        }

    def can_write(self, script: str) -> bool:
        """Whether words of a script can be set legibly here."""
        return script in self.table and (script not in SHAPED or can_shape())

    def writes(self, words: str, script: str) -> bool:
        """Whether some face has every letter of ``words`` (``|`` and line ends aside)."""
        plain = words.replace("|", "").replace("\n", " ")
        return self.can_write(script) and any(f.covers(plain) for f in self.table[script])

    def choose(self, rng: np.random.Generator, words: str, script: str) -> Face | None:
        """A face that has every letter of ``words``, or None if there is none."""
        faces = self.table.get(script, ())
        if not faces:
            return None
        common = self.everyday[script]
        if common and chance(rng, 0.5):
            face = pick(rng, common)
            if face.covers(words):
                return face
        for _ in range(8):
            face = pick(rng, faces)
            if face.covers(words):
                return face
        start = int(rng.integers(len(faces)))
        for i in range(len(faces)):
            face = faces[(start + i) % len(faces)]
            if face.covers(words):
                return face
        return None


def builtin_fonts() -> Fonts:
    """Pillow's own font alone: Latin only."""
    return Fonts({"latin": (BuiltinFace(),)})


__all__ = ["CASED", "SCRIPTS", "SHAPED", "WIDE", "Face", "Fonts", "builtin_fonts", "by_script",
           "can_shape", "find_faces", "script_of"]  # fmt: skip
