"""What the commands of ``scripts/`` share: whole numbers as arguments, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from model.errors import StandinError


def at_least(least: int) -> Callable[[str], int]:
    """For argparse's ``type``: a whole number that is not below ``least``, which is 0 or more."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number, {least} or more, got {text!r}"
            )
        return int(text)

    return number


def exit_status(
    script: str,
    work: Callable[[], object],
    kept: Path,
    errors: tuple[type[Exception], ...] = (StandinError,),
) -> int:
    """Do a script's work, and say in one sentence why where it ends early.

    Args:
        kept: where it keeps what is done, and goes on from when it is started again.
        errors: that who started it can mend; all others are defects, and are raised.

    Returns:
        0; 2 after one of ``errors``; 130 when it was stopped, as shells count Ctrl-C.
    """
    try:
        work()
    except errors as error:
        print(f"{script}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nstopped; the same command goes on from {kept}", file=sys.stderr)
        return 130
    return 0
