"""Plain FastAPI: an endpoint without ``async``, which FastAPI runs in its pool of threads.

As fastapi.tiangolo.com teaches under "Request Files" and "Concurrency and async / await".
"""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI, UploadFile
from peer_engine import DECODINGS, encoder, options

given = options()
network = encoder(given.engine)
decode = DECODINGS[given.decode]
app = FastAPI()


@app.post("/score")
def score(image: UploadFile) -> dict[str, list[float]]:
    """One picture's embedding."""
    return {"embedding": network.embed(decode(image.file.read())[None])[0].tolist()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")
