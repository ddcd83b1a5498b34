"""Draw a folder of stand-ins, and of goods that look like them, to train or to measure with.

    python scripts/draw_standins.py DIR --number 10000 --fonts /usr/share/fonts \\
        --icons node_modules/@tabler/icons/icons --icons node_modules/simple-icons/icons

writes DIR/placeholders/ and DIR/products/, each with pictures and a manifest.csv as model.data
reads it. The same command writes the same bytes. Without --fonts and --icons it draws with Pillow
alone: plainer, and in Latin letters only. --check looks for pictures that look alike.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

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
from model.standins.likeness import alike_pairs

_LICENCE = "drawn by model.standins; see docs/generator.md"
_TAGS = {
    "logo": "icon-like",
    "icon": "icon-like",
    "lettering": "text-heavy",
    "swatch": "blank-solid",
}
_SHARED = ("repo", "path", "licence", "width", "height", "sha256", "group", "family")
_COLUMNS = {
    "placeholders": ("file", "kind", "language", *_SHARED),
    "products": ("file", "category", "hard", "hardtag", *_SHARED),
}


@dataclass(frozen=True)
class Job:
    """What to draw: kinds, families of goods, how many of each sort, from which seed."""

    seed: int
    standins: int
    goods: int
    kinds: tuple[str, ...]
    families: tuple[str, ...]
    degraded: bool

    def picture(self, sort: str, number: int, resources: Resources) -> Drawn:
        """The picture of a number; every number has its own stream of randomness."""
        rng = np.random.default_rng([self.seed, sort == "products", number])
        if sort == "placeholders":
            return draw(self.kinds[number % len(self.kinds)], rng, resources)
        return draw_product(self.families[number % len(self.families)], rng, resources)

    def encoded(self, sort: str, number: int, drawn: Drawn) -> tuple[bytes, tuple[int, int], str]:
        """A picture's bytes, its size and the ending of its name: JPEG mostly, PNG now and then."""
        rng = np.random.default_rng([self.seed, sort == "products", number, 1])
        picture = degrade(drawn.image, rng) if self.degraded and rng.random() < 0.6 else drawn.image
        data = io.BytesIO()
        if rng.random() < 0.25:
            picture.save(data, "PNG")
            return data.getvalue(), picture.size, "png"
        picture.save(data, "JPEG", quality=int(rng.integers(70, 96)))
        return data.getvalue(), picture.size, "jpg"

    def rows(self, sort: str, folder: Path, resources: Resources) -> Iterator[dict[str, object]]:
        """Write pictures below ``folder``, one after the other, and tell of each."""
        count = self.standins if sort == "placeholders" else self.goods
        for number in tqdm(range(count), desc=sort, unit="picture", disable=None):
            drawn = self.picture(sort, number, resources)
            data, size, ending = self.encoded(sort, number, drawn)
            file = folder / drawn.kind / f"{number:06d}.{ending}"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
            tag = "render-drawing" if drawn.family == "icon/drawing" else _TAGS.get(drawn.kind, "")
            everything = {
                "file": str(file.relative_to(folder)),
                "kind": drawn.kind,
                "category": f"drawn_{drawn.kind}",
                "language": drawn.language.partition("-")[0],
                "hard": 1,
                "hardtag": tag,
                "repo": "",
                "path": f"seed {self.seed}, number {number}",
                "licence": _LICENCE,
                "width": size[0],
                "height": size[1],
                "sha256": hashlib.sha256(data).hexdigest(),
                # Splits go by group: a whole family is on one side of them.
                "group": f"drawn {drawn.family}",
                "family": drawn.family,
            }
            yield {column: everything[column] for column in _COLUMNS[sort]}


def write(job: Job, folder: Path, resources: Resources) -> None:
    """Write both folders with their manifests.

    Raises:
        StandinError: a folder with a manifest is there already.
    """
    for sort, count in (("placeholders", job.standins), ("products", job.goods)):
        if not count:
            continue
        below = folder / sort
        below.mkdir(parents=True, exist_ok=True)
        manifest = below / "manifest.csv"
        if manifest.exists():
            raise StandinError(f"{manifest} is there already; choose another folder or delete it")
        rows = list(job.rows(sort, below, resources))
        # Last, and under its own name only when whole: a folder cut off has no manifest.
        part = manifest.with_suffix(".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            out = csv.DictWriter(file, _COLUMNS[sort], lineterminator="\n")
            out.writeheader()
            out.writerows(rows)
        part.replace(manifest)


def _names(wanted: Sequence[str], known: tuple[str, ...]) -> tuple[str, ...]:
    for name in wanted:
        if name not in known:
            raise StandinError(f"nothing is called {name!r}; there are {', '.join(known)}")
    return tuple(wanted) or known


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what the command line asks for; 1 if it cannot, or if pictures look alike."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where to write")
    parser.add_argument("--number", type=int, default=1000, help="stand-ins (default 1000)")
    parser.add_argument(
        "--goods", type=int, default=0, help="goods that look like them (default 0)"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other pictures")
    parser.add_argument(
        "--kind", action="append", default=[], help=f"only these: {', '.join(KINDS)}"
    )
    parser.add_argument(
        "--family",
        action="append",
        default=[],
        help=f"goods, only these: {', '.join(PRODUCT_FAMILIES)}",
    )
    parser.add_argument("--fonts", type=Path, action="append", default=[], help="a folder of fonts")
    parser.add_argument(
        "--icons", type=Path, action="append", default=[], help="a folder of SVG icons"
    )
    parser.add_argument(
        "--photographs",
        type=Path,
        action="append",
        default=[],
        help="a folder of pictures for grounds",
    )
    parser.add_argument("--clean", action="store_true", help="without what shops do to pictures")
    parser.add_argument("--check", action="store_true", help="fail if two stand-ins look alike")
    options = parser.parse_args(arguments)
    try:
        if options.fonts or options.icons or options.photographs:
            resources = load_resources(options.fonts, options.icons, options.photographs)
        else:
            resources = builtin_resources()
        job = Job(
            seed=options.seed,
            standins=options.number,
            goods=options.goods,
            kinds=_names(options.kind, KINDS),
            families=_names(options.family, PRODUCT_FAMILIES),
            degraded=not options.clean,
        )
        write(job, options.folder, resources)
    except StandinError as error:
        print(error, file=sys.stderr)
        return 1
    if not options.check:
        return 0
    pairs = alike_pairs(job.standins, lambda i: job.picture("placeholders", i, resources).image)
    for first, second in pairs:
        print(f"numbers {first} and {second} look alike")
    print(f"{len(pairs)} pairs of {job.standins} pictures look alike")
    return 1 if pairs else 0


if __name__ == "__main__":
    sys.exit(main())
