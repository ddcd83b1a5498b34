"""Write the ONNX graphs of a release and of its reader, and name them on their cards.

    python scripts/export_onnx.py
    python scripts/export_onnx.py --calibrate DIR/products --calibrate DIR/placeholders

A graph holds operations and no weights (``model.onnx_engine``), so it changes with the network's
shape alone. Releasing writes it; this writes it again, or beside weights that have none. With
folders of pictures (with a manifest.csv, as for training) it writes the encoder in 8 bits, too
(``model.quantization``): calibrated on some of those that training may use.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from model import images
from model.data import Record, load_manifest
from model.errors import ManifestError, PictureError, StandinError
from model.experts.words import RELEASED as READER
from model.onnx_export import encoder_graph, reader_graph
from model.quantization import int8_graph
from model.weights import find_card, load_card

# Of each label: ordinary products, and what stands in for them.
_EACH = {False: 152, True: 96}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", type=Path, nargs="?", help="card (default: the released one)")
    parser.add_argument("--reader", type=Path, default=READER, help="card of the reader")
    parser.add_argument(
        "--calibrate", type=Path, action="append", default=[], metavar="DIR", help="pictures"
    )
    args = parser.parse_args(argv)
    try:
        card = find_card(args.release)
        # What is wrong with a folder is said before anything is written.
        pixels = _calibration(args.calibrate, load_card(card).image_size)
        for path in (encoder_graph(card), reader_graph(args.reader)):
            print(f"{path}: {path.stat().st_size:,} bytes")
        if pixels is not None:
            path, said = int8_graph(card, pixels)
            print(f"{path}: {path.stat().st_size:,} bytes, {said}")
    except StandinError as error:
        print(f"export_onnx: {error}", file=sys.stderr)
        return 2
    return 0


def _calibration(folders: Sequence[Path], size: int) -> np.ndarray | None:
    """Pixels of pictures of both labels, mixed, the same ones each time; None without folders.

    Raises:
        ManifestError: a manifest cannot be read, or there are not enough pictures of a label.
    """
    if not folders:
        return None
    records = [one for folder in folders for one in load_manifest(folder) if not one.is_held_out]
    draw = random.Random(0)
    found: list[np.ndarray] = []
    for is_standin, wanted in _EACH.items():
        mine = sorted((one for one in records if one.is_standin is is_standin), key=_path)
        draw.shuffle(mine)
        readable = (picture for record in mine if (picture := _read(record, size)) is not None)
        pixels = list(islice(readable, wanted))
        if len(pixels) < wanted:
            what = "stand-ins" if is_standin else "products"
            raise ManifestError(
                f"{len(pixels)} {what} for training in the folders to calibrate with; "
                f"{wanted} are needed"
            )
        found += pixels
    draw.shuffle(found)
    return np.stack(found)


def _path(record: Record) -> str:
    return record.path.as_posix()


def _read(record: Record, size: int) -> np.ndarray | None:
    try:
        return images.decode(record.path.read_bytes(), size).pixels
    except PictureError:
        return None  # training passes over it, too


if __name__ == "__main__":
    sys.exit(main())
