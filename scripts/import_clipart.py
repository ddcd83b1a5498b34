"""Make a training folder of drawn products from Debian's package openclipart-svg (public domain).

Photographs alone teach that flat drawings are stand-ins. Some two thousand drawings of things that
shops sell (food, tools, vehicles, ...) teach otherwise. Each folder of the package becomes a
category and a group of its own, so that the rule of model/holdout.py keeps whole folders out.

    apt-get download openclipart-svg && dpkg-deb -x openclipart-svg_*.deb clipart
    python scripts/import_clipart.py clipart/usr/share/openclipart/svg runs/clipart
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from model.training.sources import CLIP_ART

# What shops sell. Left out: symbols, logos, buttons, icons of desktops and people, which are what
# stand-ins look like, and which no label here could tell apart.
FOLDERS = (
    "animals",
    "buildings",
    "containers",
    "decorations",
    "education",
    "electronics",
    "food",
    "office",
    "plants",
    "recreation",
    "science",
    "tools",
    "transportation",
)
LONGEST = 320
COLUMNS = ("file", "category", "group", "hardtag", "licence", "repo", "path", "sha256")


def main() -> int:
    """Draw what is not drawn yet, then write the manifest."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clipart", type=Path, help="folder svg of the unpacked package")
    parser.add_argument("out", type=Path, help="folder to make")
    options = parser.parse_args()
    found = [p for name in FOLDERS for p in sorted((options.clipart / name).rglob("*.svg"))]
    if not found:
        print(f"import_clipart: no SVG files in {options.clipart}", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        rows = []
        jobs = pool.map(lambda source: _draw(source, options.clipart, options.out), found)
        for done, row in enumerate(jobs, start=1):
            rows += [row] if row else []
            print(f"\r{done} of {len(found)} drawn", end="", file=sys.stderr)
    print(file=sys.stderr)
    with (options.out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} pictures in {options.out}; {len(found) - len(rows)} could not be drawn")
    return 0


def _draw(source: Path, root: Path, out: Path) -> dict[str, str] | None:
    """One line of the manifest, or None where the file cannot be drawn."""
    inner = source.relative_to(root)
    target = out / inner.with_suffix(".png")
    if not target.exists():
        size = ["--width", str(LONGEST), "--height", str(LONGEST), "--keep-aspect-ratio"]
        command = ["rsvg-convert", *size, str(source)]
        try:
            made = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
            with Image.open(io.BytesIO(made)) as image:
                picture = Image.new("RGB", image.size, "white")
                picture.paste(image, mask=image.convert("RGBA").getchannel("A"))
        except (subprocess.SubprocessError, OSError):
            return None
        if max(picture.size) < 64 or picture.getcolors(1) is not None:  # nothing on it
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        picture.save(partial, "PNG")
        partial.replace(target)
    folder = inner.parts[0]
    return {
        "file": str(target.relative_to(out)),
        "category": f"{CLIP_ART}{folder}",
        "group": f"openclipart-{folder}",
        "hardtag": "render-drawing",
        "licence": "public domain",
        "repo": "Debian openclipart-svg",
        "path": str(inner),
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
    }


if __name__ == "__main__":
    sys.exit(main())
