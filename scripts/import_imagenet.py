"""Save the ImageNet weights that meta-training starts from as safetensors, under timm's names.

python scripts/import_imagenet.py imagenet.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors.torch import save_file

from model.imagenet import BACKBONE, imagenet_backbone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the file to write")
    out: Path = parser.parse_args().out
    tensors = imagenet_backbone().state_dict()
    save_file(tensors, out, {"backbone": BACKBONE})
    print(f"{out}: {len(tensors)} tensors of {BACKBONE}")


if __name__ == "__main__":
    main()
