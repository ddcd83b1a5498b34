"""What training says while it runs: a JSON Lines log, and the curves drawn from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


class Journal:
    """Appends one JSON object a line; what a resumed run repeats is dropped first.

    Args:
        path: of the log; made with its folder where it is new.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def rewind(self, stage: str, step: int) -> None:
        """Forget the lines of a stage from ``step`` on: they are about to be made again."""
        if not self.path.exists():
            return
        kept = [e for e in self.entries() if not (e["stage"] == stage and float(e["step"]) >= step)]
        partial = self.path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(entry) + "\n" for entry in kept))
        partial.replace(self.path)

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Append one line."""
        line = {"stage": stage, "step": step, **{k: round(v, 6) for k, v in values.items()}}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def entries(self) -> list[dict[str, float | str]]:
        """All whole lines; a line that a kill cut short is left out."""
        found = []
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    found.append(json.loads(line))
                except json.JSONDecodeError:
                    continue
        return found
