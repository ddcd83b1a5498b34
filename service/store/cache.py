"""A bounded cache for values that never change."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Least recently used entries go once the sizes add up to more than ``limit`` bytes.

    Only for keys whose value can never change: then there is nothing to invalidate, in this
    process or in another. Safe to use from several threads.
    """

    def __init__(self, limit: int, size: Callable[[V], int]) -> None:
        self._limit = limit
        self._size = size
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def get(self, key: K) -> V | None:
        """The value, or None."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, key: K, value: V) -> None:
        """Keep a value; one larger than the whole cache is not kept."""
        size = self._size(value)
        with self._lock:
            if key in self._entries or size > self._limit:
                return
            self._entries[key] = value, size
            self.bytes += size
            while self.bytes > self._limit:
                _, (_, oldest) = self._entries.popitem(last=False)
                self.bytes -= oldest
