"""BentoML: a service whose input is a Pillow picture by multipart, a worker for each core.

As docs.bentoml.com has it for images, and under "Workers" for models on the CPU.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bentoml
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # BentoML's workers import this file by its name

from peer_engine import encoder, options, reduced


@bentoml.service(
    workers="cpu_count", traffic={"timeout": float(os.environ.get("BENCH_TIMEOUT", "60"))}
)
class Embeddings:
    """One instance in each worker."""

    def __init__(self) -> None:
        self.network = encoder("onnxruntime")

    @bentoml.api
    def score(self, image: Image.Image) -> list[float]:
        """One picture's embedding."""
        found: list[float] = self.network.embed(reduced(image)[None])[0].tolist()
        return found


if __name__ == "__main__":
    given = options()
    os.environ["BENCH_TIMEOUT"] = str(given.timeout)
    os.execv(
        sys.executable,
        [
            *(sys.executable, "-m", "bentoml", "serve", "peer_bentoml:Embeddings"),
            *("--working-dir", str(Path(__file__).parent)),
            *("--host", "127.0.0.1", "--port", str(given.port)),
        ],
    )
