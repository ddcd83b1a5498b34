"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): one key, one effect, one answer."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from service import problems
from service.errors import MalformedRequest
from service.store import Idempotency, Store, StoredAnswer

T = TypeVar("T")

MAX_KEY = 255
REPLAYED = "Idempotency-Replayed"
# An sf-string of RFC 9651: printable ASCII in quotes, where only the quote and the backslash
# are, and must be, escaped.
_SF_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')


def parse_key(header: str | None) -> str | None:
    """The key inside the quotes, or None where there is no header.

    Raises:
        MalformedRequest: not a quoted string, empty or too long.
    """
    if header is None:
        return None
    match = _SF_STRING.fullmatch(header.strip(" "))
    if match is None:
        raise MalformedRequest(
            'Idempotency-Key must be a quoted string, as "8e03978e-40d5-43dd-bc93-6894a57f9324"'
        )
    key = re.sub(r"\\(.)", r"\1", match[1])
    if not 0 < len(key) <= MAX_KEY:
        raise MalformedRequest(f"Idempotency-Key must have 1 to {MAX_KEY} characters")
    return key


def fingerprint(parts: Sequence[object]) -> str:
    """What makes two bodies the same: their content, not their multipart boundary."""
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


class Promise(Generic[T]):
    """The answer to one change: written once, inside its transaction where there is a key.

    What goes out must be what a retry is given, and an answer holds a time that it took.
    """

    def __init__(self, operation: str, key: str | None, write: Callable[[T], StoredAnswer]) -> None:
        self._operation = operation
        self._key = key
        self._write = write
        self._written: StoredAnswer | None = None

    def for_store(self) -> Idempotency[T] | None:
        """What the store keeps with the change, or None without a key."""
        if self._key is None:
            return None
        return Idempotency(self._operation, self._key, self._answer)

    def kept(self, outcome: T) -> StoredAnswer:
        """The answer that the store kept, or a new one where it kept none."""
        return self._written or self._write(outcome)

    def _answer(self, outcome: T) -> StoredAnswer:
        self._written = self._write(outcome)
        return self._written


async def once(
    store: Store,
    tenant: str,
    operation: str,
    key: str | None,
    body: str,
    work: Callable[[], Awaitable[StoredAnswer]],
) -> StoredAnswer:
    """Do ``work`` under the key, or give the answer that its first request was given.

    ``work`` finishes the key itself, in the transaction of its change. A refusal is remembered
    here; what may pass (503), was never answered (the client went away) or is a defect is not.

    Raises:
        IdempotencyConflict: the first request is still in flight.
        IdempotencyMismatch: the first request had another body.
        Exception: whatever ``work`` raises.
    """
    if key is None:
        return await work()
    before = await store.idempotent_begin(tenant, operation, key, body)
    if before is not None:
        return dataclasses.replace(before, headers={**before.headers, REPLAYED: "true"})
    try:
        return await work()
    except Exception as error:
        problem = problems.describe(error)
        if 400 <= problem.kind.status < 499:
            headers = {**problem.headers, "Content-Type": problems.MEDIA_TYPE}
            await store.idempotent_finish(
                tenant, operation, key, problem.kind.status, headers, problem.body()
            )
        else:
            await store.idempotent_abandon(tenant, operation, key)
        raise
    except BaseException:
        await store.idempotent_abandon(tenant, operation, key)
        raise
