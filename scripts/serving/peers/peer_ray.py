"""Ray Serve: a deployment that reads the picture from the body, a replica for each core.

As docs.ray.io has it under "Serve an image classification model".
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import ray
from peer_engine import DECODINGS, encoder, options
from ray import serve
from starlette.requests import Request

FOLDER = str(Path(__file__).parent)


@serve.deployment
class Embeddings:
    """One instance in each replica."""

    def __init__(self) -> None:
        self.network = encoder("onnxruntime")

    async def __call__(self, request: Request) -> dict[str, list[float]]:
        """One picture's embedding."""
        pixels = DECODINGS["pillow"](await request.body())
        return {"embedding": self.network.embed(pixels[None])[0].tolist()}


if __name__ == "__main__":
    given = options()
    cores = len(os.sched_getaffinity(0))
    path = os.pathsep.join([FOLDER, os.environ.get("PYTHONPATH", "")])
    ray.init(
        num_cpus=cores,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )
    serve.start(
        http_options={
            "host": "127.0.0.1",
            "port": given.port,
            "request_timeout_s": given.timeout,
        }
    )
    serve.run(Embeddings.options(num_replicas=cores).bind())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.pause()
