"""Icons from folders of SVG files: what each shows is told by its name, and drawn with Skia."""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from model.errors import StandinError
from model.standins.chance import Real

# What an icon is a stand-in for, by words in its file name; the first match counts.
# In these patterns < and > stand for the start and the end of a word.
_STANDIN_WORDS: dict[str, str] = {
    "": "adobe|google|bike|brand-|battery|-logo|podcast|podium",
    "camera": "camera|photo-(sensor|circle|star|heart|shield)|aperture",
    "picture-off": "(image|photo|picture)s?-(off|broken|remove|minus|x|down|cancel)|broken-image",
    "gallery": "images|photos|gallery|album|image-(multiple|area)|pictures|collection",
    "picture": "image|photo|picture|panorama|landscape|polaroid|wallpaper|mountains?$",
    "hidden": "eye-(off|slash|closed)|hide$",
    "cart": "^(cart|shopping-cart)>",
    "bag": "^(bag|tote|shopping|handbag|basket)>",
    "gift": "^gift>",
    "box": "^(package|box|archive|cube|parcel|carton)>",
    "hanger": "hanger",
    "tag": "^(tag|tags|label|price)>",
    "question": "^(help|question|(circle|square|file|message)-(help|question|unknown))>",
    "alert": "^(alert|exclamation|warning|error|(circle|triangle|octagon|file)-(alert|warning))>",
    "ban": "^(ban|cancel|prohibit|forbidden|block|slash-circle|circle-slash|x-circle)>",
    "empty": "ghost|mood-(sad|empty|confuzed)|frown|(emoticon|smiley)-(sad|x|blank)|unplug|"
    "plug-off|link-off|search-off|file-search|(cloud|wifi|database)-(off|slash|x)|folder-open|inbox|cactus|"
    "wind$|empty|zoom-(cancel|question)",
    "upload": "upload|cloud-arrow-up|add-a|plus-(circle|square|box)|(square|circle)-(dashed-)?plus",
    "clock": "^(clock|hourglass|timer|sand)>",
    "place": "^(map-pin|location|map-marker)>",
    "file": "^(file|document|page|notes?|receipt)"
    "(-(blank|text|off|x|unknown|outline|remove|alert|description))*$",
    "shop": "^(store|shop|storefront|building-store|warehouse)>",
    "goods": "<(t?-?shirt|shoe|sneaker|boot|dress|sofa|couch|armchair|chair|lamp|bottle|car|sedan|"
    "bicycle|laptop|television|monitor|phone|smartphone|headphones|watch|book|guitar|diamond|ring|"
    "glasses|sunglasses|perfume|wine|cup|coffee|pizza|burger|fridge|washing-machine|bed|bathtub|"
    "baby-carriage|backpack|hammer|wrench|drill|pill|cookie|apple|carrot|fish|fork|silverware|"
    "tools-kitchen|knife|home|house|key|flower|plant|potted-plant|paint|brush|palette|ball|tent|"
    "drone|keyboard|mouse|printer|hat|sock|toy|puzzle|bread|milk)>",
    "person": "^(user|users|account|person|avatar|face|profile|man|woman)"
    "(-(circle|square|box|off|outline|question|x|alert|fill))*$",
}
# Neither a stand-in nor goods: what is crossed out, searched for, unknown or waiting (it reads as a
# stand-in wherever it appears), and letters, arrows and the furniture of programs.
_NEITHER = (
    "-(off|slash|x|cancel|remove|minus|search|unknown|lock|clock|pause|sync|refresh|dashed|dotted)>|"
    "^(file|folder|user|account|person|clipboard|page|note|cloud|loader|loading|spinner|progress|"
    "refresh|reload|sync|rotate|square|circle|rectangle|crop|scan|frame|card|article|news|instagram|"
    "video|film|movie|gallery|slideshow|layers|stack)>|"
    "question|help|alert|exclamation|warning|error|unknown|<box>|adobe|google|arrow|chevron|caret|align|number|letter|alpha-|alphabet|numeric|border|format-|text-|sort|"
    "column|row|indent|layout|bracket|code|math|axis|percent|quote|dots|menu|^abc|roman"
)
# A camera with a coin or a lock on it says something else than that a picture is missing.
_QUALIFIED = (
    "<(bitcoin|dollar|code|cog|heart|star|bolt|pin|lock|spark|share|pause|play|check|edit|pencil|"
    "pen>|key|shield|gps|marker|account|text|music|spatial|selfie|video|cctv|security|webcam|film|"
    "percent|settings|gear|flip|switch|timer|control|wireless|lightning|party|(ai|up|down|left)>|"
    "right>|sync|filter|size|move|auto|history|chart|screen|mirror|bookmark|model|margin|padding|"
    "align|cutter|multiple-[0-9]|link|off-outline)"
)
_PICTURED = frozenset(
    ("camera", "picture-off", "gallery", "picture", "bag", "cart", "box", "tag", "goods")
)


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(words.replace("<", "(?:^|-)").replace(">", "(?:-|$)"))


_COMPILED = tuple((concept, _pattern(words)) for concept, words in _STANDIN_WORDS.items())
_PLAIN = _pattern(_NEITHER)
_ODD = _pattern(_QUALIFIED)


def concept_of(stem: str) -> str:
    """What an icon of this file name shows: "camera" and so on, "artwork", or "" for neither."""
    name = re.sub(r"-(?:outline|fill|filled|bold|thin|light|duotone|variant|alt)$", "", stem)
    for concept, pattern in _COMPILED:
        if pattern.search(name):
            return "" if concept in _PICTURED and _ODD.search(name) else concept
    return "" if _PLAIN.search(name) else "artwork"


def find_icons(folders: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """SVG files below these folders by what they show.

    A folder path with ``simple-icons`` in it holds brands: all its files are "brand".

    Raises:
        StandinError: there are SVG files and Skia is not installed.
    """
    table: dict[str, list[Path]] = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.svg")):
            concept = "brand" if "simple-icons" in path.parts else concept_of(path.stem)
            if concept:
                table.setdefault(concept, []).append(path)
    if table:
        _skia()
    return {concept: tuple(found) for concept, found in table.items()}


def _skia() -> Any:  # the module, if it is there
    try:
        import skia  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as error:
        raise StandinError(
            "drawing SVG icons needs the package skia-python (and the system libraries libEGL and "
            f"libGL); leave out the icon folders to draw without it ({error})"
        ) from error
    return skia


@lru_cache(maxsize=8192)
def _parsed(path: Path) -> Any:
    skia = _skia()
    text = path.read_bytes().replace(b"currentColor", b"#000")
    return skia.SVGDOM.MakeFromStream(skia.MemoryStream(text))


def icon_mask(path: Path, side: int) -> Image.Image:
    """The ink of an SVG icon as a mask of (side, side): its alpha channel."""
    skia = _skia()
    side = max(4, side)
    surface = skia.Surface(side, side)
    dom = _parsed(path)
    dom.setContainerSize(skia.Size(side, side))
    width, height = _natural(path)
    with surface as canvas:
        canvas.scale(side / width, side / height)
        dom.setContainerSize(skia.Size(width, height))
        dom.render(canvas)
    alpha: np.ndarray = surface.toarray()[:, :, 3]
    return Image.fromarray(np.ascontiguousarray(alpha))


_SIZE = re.compile(rb"<svg[^>]*?\b(?:width)=\"([\d.]+)")
_VIEW = re.compile(rb"viewBox=\"[\d.\-]+[ ,]+[\d.\-]+[ ,]+([\d.]+)[ ,]+([\d.]+)\"")


@lru_cache(maxsize=8192)
def _natural(path: Path) -> tuple[Real, Real]:
    """The size in which a file is drawn unscaled: its width if it has one, else its view box."""
    text = path.read_bytes()
    own, view = _SIZE.search(text), _VIEW.search(text)
    if own:
        width = float(own[1])
        return (width, width * float(view[2]) / float(view[1]) if view else width)
    return (float(view[1]), float(view[2])) if view else (24.0, 24.0)
