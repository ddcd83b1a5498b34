"""``python -m service``: one process, one address (service/command.py)."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop. Returns the exit status.

    While it starts, Python does not look for cycles in what it allocates: half a million objects of
    torch and its like come within two seconds, and going through them again and again takes a fifth
    of those. ``service.command`` says from when on it does.
    """
    gc.disable()
    try:
        from service.command import run

        return run(arguments)
    finally:
        gc.enable()


if __name__ == "__main__":
    sys.exit(main())
