"""A generator of stand-in pictures and of goods that look like them, from a seed.

``draw`` gives a stand-in of one of the ``KINDS``, ``draw_product`` goods of one of the
``PRODUCT_FAMILIES``, ``degrade`` does to either what shops do. See docs/generator.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from model.errors import StandinError
from model.standins.blanks import BLANK_FAMILIES, draw_blank
from model.standins.degradation import degrade
from model.standins.failures import ERROR_FAMILIES, draw_error
from model.standins.icons import ICON_FAMILIES, draw_icon, draw_silhouette_standin
from model.standins.logos import LOGO_FAMILIES, draw_logo
from model.standins.lookalikes import draw_artwork, draw_lettering
from model.standins.mixed import MIXED_FAMILIES, draw_mixed
from model.standins.resources import (
    SILHOUETTES,
    Resources,
    builtin_resources,
    load_resources,
)
from model.standins.spinners import SPINNER_FAMILIES, draw_spinner
from model.standins.swatches import draw_swatch
from model.standins.texts import TEXT_FAMILIES, Words, draw_text

KINDS = ("text", "icon", "silhouette", "logo", "blank", "error", "spinner", "mixed")
PRODUCT_FAMILIES = ("logo", "icon", "lettering", "swatch")
FAMILIES: tuple[str, ...] = tuple(
    f"{kind}/{name}"
    for kind, names in (
        ("text", TEXT_FAMILIES), ("icon", ICON_FAMILIES), ("silhouette", SILHOUETTES),
        ("logo", LOGO_FAMILIES), ("blank", BLANK_FAMILIES), ("error", ERROR_FAMILIES),
        ("spinner", SPINNER_FAMILIES), ("mixed", MIXED_FAMILIES),
    )
    for name in names
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A drawn picture and what it is.

    Attributes:
        image: RGB, 16 to about 1000 pixels on the longer side.
        kind: one of ``KINDS``, for goods one of ``PRODUCT_FAMILIES``.
        family: a finer class, "icon/camera"; stand-ins' are listed in ``FAMILIES``.
        language: of the words (ISO 639-1, or ``zh-tw``); "" without words or for numbers alone.
        words: what is written on it, "" if nothing; ``|`` is where a line was allowed to break.
        is_product: True for goods, which only look like a stand-in.
    """

    image: Image.Image
    kind: str
    family: str
    language: str
    words: str
    is_product: bool


_Parts = tuple[Image.Image, str, Words]
_NONE = Words("", "")


def _logo(rng: np.random.Generator, resources: Resources) -> _Parts:
    picture, family, name = draw_logo(rng, resources)
    return picture, family, Words(name, "en" if name else "")


def _wordless(
    drawing: Callable[[np.random.Generator, Resources], tuple[Image.Image, str]],
) -> Callable[[np.random.Generator, Resources], _Parts]:
    def with_no_words(rng: np.random.Generator, resources: Resources) -> _Parts:
        return (*drawing(rng, resources), _NONE)

    return with_no_words


_STANDINS: dict[str, Callable[[np.random.Generator, Resources], _Parts]] = {
    "text": draw_text,
    "icon": _wordless(draw_icon),
    "silhouette": _wordless(draw_silhouette_standin),
    "logo": _logo,
    "blank": _wordless(draw_blank),
    "error": draw_error,
    "spinner": draw_spinner,
    "mixed": draw_mixed,
}
_PRODUCTS: dict[str, Callable[[np.random.Generator, Resources], _Parts]] = {
    "logo": _logo,
    "icon": _wordless(draw_artwork),
    "lettering": draw_lettering,
    "swatch": _wordless(draw_swatch),
}


def draw(kind: str, rng: np.random.Generator, resources: Resources) -> Drawn:
    """Draw a stand-in.

    Args:
        kind: one of ``KINDS``.
        rng: the only source of randomness: the same state gives the same bytes.
        resources: fonts, icons and photographs to draw with.
    Raises:
        StandinError: there is no such kind.
    """
    if kind not in _STANDINS:
        raise StandinError(f"no kind of stand-in is called {kind!r}; there are {', '.join(KINDS)}")
    picture, family, words = _STANDINS[kind](rng, resources)
    return Drawn(picture, kind, family, words.language, words.text, is_product=False)


def draw_product(family: str, rng: np.random.Generator, resources: Resources) -> Drawn:
    """Draw goods that look like a stand-in: products, where a category sells such things.

    Args:
        family: one of ``PRODUCT_FAMILIES``.
        rng: the only source of randomness: the same state gives the same bytes.
        resources: fonts, icons and photographs to draw with.
    Raises:
        StandinError: there is no such family.
    """
    if family not in _PRODUCTS:
        raise StandinError(
            f"no family of goods is called {family!r}; there are {', '.join(PRODUCT_FAMILIES)}"
        )
    picture, fine, words = _PRODUCTS[family](rng, resources)
    return Drawn(picture, family, fine, words.language, words.text, is_product=True)


__all__ = [
    "FAMILIES",
    "KINDS",
    "PRODUCT_FAMILIES",
    "Drawn",
    "Resources",
    "builtin_resources",
    "degrade",
    "draw",
    "draw_product",
    "load_resources",
]
