"""Answers as bytes: what an idempotency key must give again is kept as it went out."""

from __future__ import annotations

from pydantic import BaseModel

from service.store import StoredAnswer


def written(body: BaseModel, etag: str | None = None) -> StoredAnswer:
    """A 200, with its entity tag where it is about one adaptation."""
    headers = {"Content-Type": "application/json"}
    if etag is not None:
        headers["ETag"] = etag
    return StoredAnswer(200, headers, body.model_dump_json().encode())
