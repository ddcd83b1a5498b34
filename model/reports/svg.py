"""How the documents' plots look and are kept: SVG, the same bytes for the same figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "standin",  # ids in the file would otherwise be drawn at random
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def styled(points: int = 9) -> AbstractContextManager[None]:
    """Context in which figures of this house are made and saved.

    Args:
        points: size of the letters.
    """
    found: AbstractContextManager[None] = mpl.rc_context(_STYLE | {"font.size": points})
    return found


def save(figure: Figure, path: Path) -> None:
    """Into a folder that need not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None}, bbox_inches="tight")


def draw_all(
    pictures: Mapping[str, Callable[[dict[str, Any]], Figure | None]],
    result: dict[str, Any],
    folder: Path,
    stem: str,
    points: int = 9,
) -> dict[str, str]:
    """Draw and save every picture that the figures allow, as ``stem-name.svg``.

    Args:
        pictures: by name, what draws each; None where the figures lack what it shows.

    Returns:
        File name by the picture's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, str] = {}
    for name, draw in pictures.items():
        with styled(points):
            figure = draw(result)
            if figure is None:
                continue
            found[name] = f"{stem}-{name.replace('_', '-')}.svg"
            save(figure, folder / found[name])
    return found
