"""Draw sheets of what the generator makes, family by family, for eyes to judge.

    python scripts/contact_sheet.py docs/images --fonts /usr/share/fonts --icons node_modules

writes contact_sheet.<kind>.webp for every kind of stand-in and contact_sheet.goods-<family>.webp
for every family of goods: a row for each fine family, its name above it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.errors import StandinError
from model.standins import (
    KINDS,
    PRODUCT_FAMILIES,
    Drawn,
    Resources,
    builtin_resources,
    degrade,
    draw,
    draw_product,
    load_resources,
)

_CELL, _LABEL, _GAP = 92, 15, 4
_GROUND, _INK = (92, 98, 110), (255, 255, 255)


def collect(one: Callable[[int], Drawn], columns: int, tries: int) -> dict[str, list[Image.Image]]:
    """The first pictures of each family, until no family lacks any or the tries are used up."""
    rows: dict[str, list[Image.Image]] = {}
    for number in range(tries):
        drawn = one(number)
        row = rows.setdefault(drawn.family, [])
        if len(row) < columns:
            row.append(drawn.image)
        elif number > 500 and all(len(found) == columns for found in rows.values()):
            break
    return dict(sorted(rows.items()))


def sheet(rows: dict[str, list[Image.Image]], columns: int) -> Image.Image:
    """Rows of pictures, each with its name above it."""
    step = _CELL + _LABEL + _GAP
    out = Image.new("RGB", (columns * (_CELL + _GAP) + _GAP, len(rows) * step + _GAP), _GROUND)
    draw_on, font = ImageDraw.Draw(out), ImageFont.load_default(11)
    for r, (family, pictures) in enumerate(rows.items()):
        draw_on.text((_GAP, r * step + 1), family, fill=_INK, font=font)
        for c, picture in enumerate(pictures):
            small = picture.copy()
            small.thumbnail((_CELL, _CELL), Image.Resampling.LANCZOS)
            x = _GAP + c * (_CELL + _GAP) + (_CELL - small.width) // 2
            out.paste(small, (x, r * step + _LABEL + (_CELL - small.height) // 2))
    return out


def _drawer(
    function: Callable[[str, np.random.Generator, Resources], Drawn], name: str, seed: int,
    resources: Resources,
) -> Callable[[int], Drawn]:  # fmt: skip
    return lambda number: function(name, np.random.default_rng([seed, number]), resources)


def _degraded(resources: Resources, columns: int) -> dict[str, list[Image.Image]]:
    """Eight stand-ins, and what shops make of each."""
    rows = {}
    for number, kind in enumerate(KINDS):
        clean = draw(kind, np.random.default_rng([3, number]), resources).image
        versions = [
            degrade(clean, np.random.default_rng([4, number, i])) for i in range(columns - 1)
        ]
        rows[f"{kind}: as drawn, then degraded"] = [clean, *versions]
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all sheets; 1 if resources cannot be read."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where to write")
    parser.add_argument("--fonts", type=Path, action="append", default=[], help="a folder of fonts")
    parser.add_argument(
        "--icons", type=Path, action="append", default=[], help="a folder of SVG icons"
    )
    parser.add_argument("--photographs", type=Path, action="append", default=[], help="for grounds")
    parser.add_argument(
        "--tries", type=int, default=3000, help="pictures drawn for a sheet at most"
    )
    parser.add_argument("--columns", type=int, default=12, help="pictures in a row")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other pictures")
    options = parser.parse_args(arguments)
    try:
        if options.fonts or options.icons or options.photographs:
            resources = load_resources(options.fonts, options.icons, options.photographs)
        else:
            resources = builtin_resources()
    except StandinError as error:
        print(error, file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    sheets = {kind: _drawer(draw, kind, options.seed, resources) for kind in KINDS} | {
        # Another seed: from the same one goods' logos would be the very pictures of the stand-ins'.
        f"goods-{family}": _drawer(draw_product, family, options.seed + 1, resources)
        for family in PRODUCT_FAMILIES
    }
    for name, one in sheets.items():
        picture = sheet(collect(one, options.columns, options.tries), options.columns)
        picture.save(options.folder / f"contact_sheet.{name}.webp", quality=62, method=6)
    picture = sheet(_degraded(resources, options.columns), options.columns)
    picture.save(options.folder / "contact_sheet.degraded.webp", quality=62, method=6)
    return 0


if __name__ == "__main__":
    sys.exit(main())
