"""LitServe: base64 in JSON, decoded in ``decode_request``, as its own parity test has it."""

from __future__ import annotations

import base64
from typing import Any

import litserve
import numpy as np
from peer_engine import DECODINGS, encoder, options


class Embeddings(litserve.LitAPI):
    """The four methods that its documents ask for, and ``batch`` where it batches."""

    def __init__(self, engine: str, decoding: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.engine = engine
        self.decoding = decoding

    def setup(self, device: str) -> None:
        """Once in each worker."""
        self.network = encoder(self.engine)

    def decode_request(self, request: dict[str, str]) -> np.ndarray:
        """Pixels of one request."""
        return DECODINGS[self.decoding](base64.b64decode(request["image_data"]))

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        """Called where batches are asked for."""
        return np.stack(inputs)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Of one picture, or of a batch."""
        return self.network.embed(x[None] if x.ndim == 3 else x)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        """Called where batches are asked for."""
        return list(output)

    def encode_response(self, output: np.ndarray) -> dict[str, list[float]]:
        """The answer."""
        return {"embedding": output.ravel().tolist()}


if __name__ == "__main__":
    given = options("workers", "batch")
    batching = {"max_batch_size": given.batch, "batch_timeout": 0.01} if given.batch > 1 else {}
    server = litserve.LitServer(
        Embeddings(given.engine, given.decode, **batching),
        accelerator="cpu",
        workers_per_device=given.workers,
        timeout=given.timeout,
    )
    server.run(host="127.0.0.1", port=given.port, generate_client_file=False, log_level="warning")
