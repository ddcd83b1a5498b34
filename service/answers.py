"""Answers as bytes: what an idempotency key must give again is kept as it went out."""

from __future__ import annotations

from pydantic import BaseModel

from service.store import StoredAnswer


def written(body: BaseModel, etag: str) -> StoredAnswer:
    """A 200 with its entity tag."""
    headers = {"Content-Type": "application/json", "ETag": etag}
    return StoredAnswer(200, headers, body.model_dump_json().encode())
