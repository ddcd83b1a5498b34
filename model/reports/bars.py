"""Progress on the terminal: of a measurement, or of one step of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tqdm import tqdm


class Bars:
    """One progress bar after the other, as the measurement tells what it is doing."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._what = ""

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def tell(self, what: str, done: int, total: int) -> None:
        """Move on; another name begins another bar."""
        if self._bar is None or what != self._what:
            if self._bar is not None:
                self._bar.close()
            self._what = what
            self._bar = tqdm(desc=what, total=total, smoothing=0.05, mininterval=0.5)
        self._bar.update(done - self._bar.n)


class Bar:
    """One progress bar, with figures behind it; its total is known when the first news arrives.

    Args:
        leave: it stays on the terminal when it is done.
    """

    def __init__(self, name: str, unit: str = "", *, leave: bool = True) -> None:
        self._bar: tqdm[Any] = tqdm(
            desc=name, unit=unit, smoothing=0.05, mininterval=1.0, leave=leave
        )

    def __enter__(self) -> Callable[[int, int, str], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def _tell(self, done: int, total: int, text: str) -> None:
        self._bar.total = total
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(done - self._bar.n)
