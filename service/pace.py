"""How fast pictures go through, so that it can be told how long one would wait."""

from __future__ import annotations


class Pace:
    """Running means of what a picture takes in its threads.

    Args:
        at_once: threads that share the work.

    Attributes:
        decode, encode: seconds of a picture in a thread.
    """

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.decode = self.encode = 0.02  # until the first are measured

    def decoded(self, seconds: float) -> None:
        """A picture was decoded and looked at."""
        self.decode += 0.05 * (seconds - self.decode)

    def passed(self, seconds: float, pictures: int) -> None:
        """A batch went through the dear experts."""
        self.encode += 0.1 * (seconds / pictures - self.encode)

    @property
    def alone(self) -> float:
        """Seconds of one picture for which everything is free."""
        return self.decode + self.encode

    @property
    def each(self) -> float:
        """Seconds a picture, as fast as all threads together go through them."""
        return self.alone / self.at_once
