"""Progress of a measurement, on the terminal."""

from __future__ import annotations

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
