"""Write the ONNX graphs of a release and of its reader, and name them on their cards.

    python scripts/export_onnx.py

A graph holds operations and no weights (``model.onnx_engine``), so it changes with the network's
shape alone. Releasing writes it; this writes it again, or beside weights that have none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model.errors import StandinError
from model.experts.words import RELEASED as READER
from model.onnx_export import encoder_graph, reader_graph
from model.weights import find_card


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", type=Path, nargs="?", help="card (default: the released one)")
    parser.add_argument("--reader", type=Path, default=READER, help="card of the reader")
    args = parser.parse_args(argv)
    try:
        for path in (encoder_graph(find_card(args.release)), reader_graph(args.reader)):
            print(f"{path}: {path.stat().st_size:,} bytes")
    except StandinError as error:
        print(f"export_onnx: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
