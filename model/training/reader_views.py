"""Pictures for the reader: notices and ordinary words in the same languages, faces and looks.

What tells the two apart must be the words. So both are written by one function, on the same
grounds, under the same drawings, over the same photographs, in each language as often; what the
generator draws by itself, real products and real stand-ins come on top. Picture i depends on the
seed and on i alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from model.data import Record
from model.holdout import role
from model.images import decode_image, letterbox
from model.standins import Resources, degrade, draw, draw_product
from model.standins.chance import between, chance, pick, weighted
from model.standins.fonts import SHAPED, script_of
from model.standins.grounds import Sheet, draw_ground
from model.standins.icons import ICON_FAMILIES, concept_mask, put_icon
from model.standins.lettering import recase
from model.standins.names import brand, measure, person, price, shop
from model.standins.palette import BLACK, WHITE, brand_colour
from model.standins.texts import (
    Words,
    choose_language,
    cover,
    pair,
    stacked,
    stamp,
    tiled,
    write,
)
from model.training.reader_phrases import GOODS, Group, group_of, phrases

SIZE = 224
UNKNOWN = -1

SORTS = {
    "notice": 0.34, "goods": 0.30, "standin": 0.09, "lookalike": 0.05, "wordless": 0.05,
    "product": 0.12, "real": 0.05,
}  # fmt: skip
"""How often each sort of picture is made; the last two only where there are records of them."""

_LOOKS = {
    "plain": 0.40, "icon": 0.20, "pair": 0.10, "stacked": 0.06, "stamp": 0.05, "cover": 0.05,
    "tiled": 0.02, "photograph": 0.12,
}  # fmt: skip
# What is printed on nearly every picture of a category, and what hardly ever is on one.
_LETTERED = frozenset({"dairy_drinks", "juice", "beer", "books", "media_covers", "gift_cards"})
_BARE = frozenset({"vegetables", "furniture", "pants", "skirts", "shorts", "dresses", "lighting"})


@dataclass(frozen=True)
class ReaderLabel:
    """What is known of one picture, as one line of JSON.

    Attributes:
        says_none: 1 if its words say that there is no picture, 0 if not, -1 if not known.
        lettering: 1 if there is lettering, 0 if not, -1 if not known.
        words: where it was drawn; language: of them, else the manifest's; both may be empty.
        group: how strange the words are to a reader trained on "seen".
        sort: one of SORTS.
    """

    says_none: int
    lettering: int
    words: str
    language: str
    group: Group
    sort: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ReaderSource:
    """Everything that the reader's pictures are made from.

    Attributes:
        records: real pictures that may be trained on; others are left out (``model.holdout``).
        group: of the words that are drawn; "seen" for training.
        sorts: shares, as in SORTS.
        salt: keeps pictures of training and of measuring apart.
    """

    records: Sequence[Record]
    resources: Resources
    seed: int
    group: Group = "seen"
    sorts: tuple[tuple[str, float], ...] = tuple(SORTS.items())
    salt: int = 0

    @cached_property
    def _products(self) -> list[Record]:
        return [r for r in self.records if not r.is_standin and r.role == "encoder"]

    @cached_property
    def _lettered_products(self) -> list[Record]:
        found = [r for r in self._products if r.category in _LETTERED or r.look == "lettering"]
        return found or self._products

    @cached_property
    def _standins(self) -> list[Record]:
        return [r for r in self.records if r.is_standin and r.role == "encoder" and r.language]

    @property
    def has_words(self) -> bool:
        """Whether the fonts can write notices and goods of the group."""
        return all(self._languages.values())

    @cached_property
    def _languages(self) -> dict[bool, tuple[str, ...]]:
        """Languages with notices, and with goods, of the group."""
        able = self.resources.languages
        return {
            says: tuple(lang for lang in able if phrases(lang, says, self.group))
            for says in (True, False)
        }

    def view(self, index: int) -> tuple[NDArray[np.uint8], ReaderLabel]:
        """Make picture ``index``: pixels (224, 224, 3), and what is known of it.

        Raises:
            PictureError: a real picture cannot be read.
        """
        rng = np.random.default_rng([self.seed, 71, self.salt, index])
        sorts = dict(self.sorts)
        if not self._products:
            sorts.pop("product", None)
        if not self._standins:
            sorts.pop("real", None)
        sort = weighted(rng, sorts)
        if sort in ("notice", "goods"):
            image, label = self._written(rng, sort == "notice")
        elif sort in ("standin", "lookalike"):
            image, label = self._of_generator(rng, sort)
        elif sort == "wordless":
            image, label = self._wordless(rng)
        else:
            image, label = self._real(rng, sort)
        if chance(rng, 0.6):
            image = degrade(image, rng)
        return letterbox(image, SIZE), label

    def _written(
        self, rng: np.random.Generator, says_none: bool
    ) -> tuple[Image.Image, ReaderLabel]:
        words = self.choose_words(rng, says_none)
        look = weighted(rng, _LOOKS)
        image = draw_words(rng, self.resources, words, look, lambda: self._background(rng))
        return image, ReaderLabel(
            int(says_none), 1, words.text, words.language, self.group,
            "notice" if says_none else "goods",
        )  # fmt: skip

    def choose_words(self, rng: np.random.Generator, says_none: bool) -> Words:
        """A notice or ordinary words, in a language as often as the generator draws it."""
        if not says_none and chance(rng, 0.14):
            text = pick(rng, (shop, brand, price, measure, person))(rng)
            return Words(text if self.resources.fonts.writes(text, "latin") else brand(rng), "en")
        language = choose_language(rng, self._languages[says_none])
        script, fonts = script_of(language), self.resources.fonts
        options = [p for p in phrases(language, says_none, self.group) if fonts.writes(p, script)]
        if not options:
            return Words("No image" if says_none else brand(rng), "en")
        text = pick(rng, options)
        if not says_none and chance(rng, 0.1):
            text = f"{text}\n{pick(rng, options)}"
        elif not says_none and chance(rng, 0.12) and (script not in SHAPED or script == "hebrew"):
            text = _scrambled(rng, text)
        shown = recase(rng, text, language) + pick(rng, ("", "", "", "", "", "!", "...", "."))
        return Words(shown if fonts.writes(shown, script) else text, language)

    def _background(self, rng: np.random.Generator) -> Image.Image | None:
        if not self._products:
            return None
        record = pick(rng, self._products)
        image = decode_image(record.path.read_bytes(), SIZE).copy()
        image.thumbnail((400, 400), Image.Resampling.BICUBIC)
        return image

    def _of_generator(self, rng: np.random.Generator, sort: str) -> tuple[Image.Image, ReaderLabel]:
        """A lettered stand-in, or goods that look like one, whose words belong to the group."""
        for _ in range(12):
            if sort == "standin":
                drawn = draw(pick(rng, ("text", "text", "mixed", "error")), rng, self.resources)
            else:
                drawn = draw_product(
                    pick(rng, ("lettering", "lettering", "logo")), rng, self.resources
                )
            group = group_of(drawn.words, drawn.language)
            if drawn.words and group == self.group and role({"family": drawn.family}) == "encoder":
                break
        else:
            return self._written(rng, sort == "standin")
        says = int(sort == "standin")
        if drawn.family in ("mixed/icon-name", "error/browser", "error/torn", "error/dialog"):
            # A name under a camera says nothing by itself, nor does the name of a file.
            says = 0 if drawn.family == "mixed/icon-name" else UNKNOWN
        return drawn.image, ReaderLabel(says, 1, drawn.words, drawn.language, group, sort)

    def _wordless(self, rng: np.random.Generator) -> tuple[Image.Image, ReaderLabel]:
        kind = pick(rng, ("icon", "silhouette", "blank", "spinner", "swatch", "artwork"))
        if kind in ("swatch", "artwork"):
            drawn = draw_product("icon" if kind == "artwork" else kind, rng, self.resources)
        else:
            drawn = draw(kind, rng, self.resources)
        return drawn.image, ReaderLabel(0, 0, "", "", "seen", "wordless")

    def _real(self, rng: np.random.Generator, sort: str) -> tuple[Image.Image, ReaderLabel]:
        if sort == "real":
            record = pick(rng, self._standins)
        else:
            record = pick(rng, self._lettered_products if chance(rng, 0.5) else self._products)
        image = decode_image(record.path.read_bytes(), SIZE)
        if record.is_standin or record.category in _LETTERED or record.look == "lettering":
            lettering = 1
        else:
            lettering = 0 if record.category in _BARE and not record.hardtag else UNKNOWN
        return image, ReaderLabel(
            int(record.is_standin), lettering, "", record.language, "seen", sort
        )


def _scrambled(rng: np.random.Generator, text: str) -> str:
    """The same letters in another order within each word: nothing but reading tells."""
    words = text.replace("|", "").split(" ")
    return " ".join("".join(rng.permutation(list(word))) for word in words)


def draw_words(
    rng: np.random.Generator,
    resources: Resources,
    words: Words,
    look: str,
    background: Any = lambda: None,
) -> Image.Image:
    """Words in one of the looks that shops give to notices and to goods alike.

    Args:
        rng: the only source of randomness.
        resources: where faces and icons are.
        words: what is written.
        look: one of plain, icon, pair, stacked, stamp, cover, tiled, photograph.
        background: gives a photograph to write over, or None.
    """
    photograph = background() if look == "photograph" else None
    if photograph is not None:
        return _over(rng, photograph, resources, words)
    sheet = draw_ground(rng, resources)
    if min(sheet.picture.size) < 64 and look != "plain":
        look = "plain"
    if look == "icon":
        _under_icon(rng, sheet, resources, words)
    elif look == "pair":
        pair(rng, sheet, resources, Words(brand(rng), "en"), words)
    elif look == "stacked":
        small = pick(rng, (brand(rng), price(rng), measure(rng), f"www.{brand(rng).lower()}.com"))
        if not resources.fonts.writes(small, "latin"):
            small = brand(rng)
        stacked(rng, sheet, resources, words, Words(small, "en"), even=chance(rng, 0.3))
    elif look == "stamp":
        stamp(rng, sheet, resources, words)
    elif look == "cover":
        share = (between(rng, 0.3, 0.45), between(rng, 0.2, 0.6))
        write(rng, cover(rng, sheet), resources, words, share, tilt=False)
    elif look == "tiled":
        tiled(rng, sheet, resources, words)
    else:
        write(rng, sheet, resources, words)
    return sheet.picture


def _under_icon(rng: np.random.Generator, sheet: Sheet, resources: Resources, words: Words) -> None:
    """A drawing with the words under it: a camera as often as a fox, for both sorts of words."""
    w, h = sheet.picture.size
    side = max(14, round(min(w, h) * between(rng, 0.3, 0.55)))
    if chance(rng, 0.5):
        mask = concept_mask(rng, resources, weighted(rng, ICON_FAMILIES), side)
    else:
        mask = resources.artwork(rng, side)
    top = between(rng, 0.04, 0.14)
    put_icon(rng, sheet, mask, ((w - mask.width) // 2, round(top * h)), sheet.ink(rng))
    low = top + mask.height / h
    share = (between(rng, 0.5, 0.94), max(0.08, min(0.32, (0.97 - low) * 0.8)))
    middle = (0.5, min(0.93, low + (1 - low) / 2))
    write(rng, sheet, resources, words, share, middle, tilt=False)


def _over(
    rng: np.random.Generator, picture: Image.Image, resources: Resources, words: Words
) -> Image.Image:
    """Words over a photograph, on a band or straight on it."""
    w, h = picture.size
    x, y = 0.5, between(rng, 0.15, 0.85)
    wide, high = between(rng, 0.4, 0.92), between(rng, 0.1, 0.28)
    colour, contrast = (128, 128, 128), 95.0
    if chance(rng, 0.6):
        colour, contrast = pick(rng, (WHITE, BLACK, brand_colour(rng))), 60.0
        edge = (0.0, 1.0) if chance(rng, 0.5) else (x - wide / 2 - 0.03, x + wide / 2 + 0.03)
        box = (edge[0] * w, (y - high * 0.6) * h, edge[1] * w, (y + high * 0.6) * h)
        ImageDraw.Draw(picture).rectangle(box, fill=colour)
    sheet = Sheet(picture, colour, contrast)
    ink = None if contrast < 90 else pick(rng, (WHITE, BLACK))
    write(rng, sheet, resources, words, (wide, high), (x, y), ink, tilt=False)
    return sheet.picture


__all__ = ["GOODS", "SIZE", "SORTS", "UNKNOWN", "ReaderLabel", "ReaderSource", "draw_words"]
