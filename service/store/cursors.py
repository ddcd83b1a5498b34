"""Page cursors and entity tags: the two opaque texts that clients hand back."""

import base64
import binascii

from service.store.errors import BadCursor, InvalidRecord, StaleVersion

MAX_PAGE = 1000


def encode_cursor(kind: str, key: str) -> str:
    """A cursor that goes on after ``key``."""
    return base64.urlsafe_b64encode(f"{kind}:{key}".encode()).decode().rstrip("=")


def decode_cursor(kind: str, cursor: str) -> str:
    """The key again.

    Raises:
        BadCursor: not one of ``encode_cursor``'s, to the last bit.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found, _, key = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(":")
        )
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    if found != kind or len(key) > 100 or "\x00" in key or encode_cursor(kind, key) != cursor:
        raise BadCursor
    return key


def check_limit(limit: int) -> int:
    """Raise InvalidRecord unless 1 <= limit <= MAX_PAGE."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRecord(f"limit must be from 1 to {MAX_PAGE}, got {limit}")
    return limit


def etag(category_id: str, version: int) -> str:
    """The strong entity tag of a category's adaptation."""
    return f'"{category_id}-{version}"'


def check_match(only_if: str | None, category: str, current: str | None) -> None:
    """Compare an If-Match header (RFC 9110, 13.1.1) with the current tag, None for no category.

    Raises:
        StaleVersion: none of its tags is the current one. Weak tags never match; what is no list
            of tags matches nothing, which is the safe reading of a header that asks for caution.
    """
    if only_if is None:
        return
    if current is not None and only_if.strip() == "*":
        return
    # Our tags hold neither commas nor blanks, so a plain split finds them.
    if current is None or current not in [tag.strip() for tag in only_if.split(",")]:
        raise StaleVersion(category, only_if, current)
