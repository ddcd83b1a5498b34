"""Draw the picture of results in README.md: the samples before and after the examples.

    make results-picture

Every category below docs/samples is adapted with its own examples, and each picture to score is
drawn with its probability to be a stand-in, unadapted and adapted, as the service would answer.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import model
from model.errors import PictureError

ROOT = Path(__file__).parents[1]
STANDIN, REAL, NEUTRAL = "#c2410c", "#0f766e", "#64748b"
ACROSS = 10


@dataclass(frozen=True)
class Scored:
    """One picture and what was answered for it; ``problem`` instead where it cannot be read."""

    path: Path
    before: float
    after: float
    problem: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--samples", type=Path, default=ROOT / "docs" / "samples")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "results.webp")
    parser.add_argument("--weights", type=Path, help="model card; default: the shipped weights")
    args = parser.parse_args()
    standin = model.load(args.weights)
    categories = sorted(path for path in args.samples.iterdir() if path.is_dir())
    draw({path.name: (examples(path), score(standin, path)) for path in categories}, args.out)
    print(args.out)
    return 0


def examples(category: Path) -> dict[str, list[Path]]:
    return {label: sorted((category / label).iterdir()) for label in model.facade.LABELS}


def score(standin: model.Model, category: Path) -> list[Scored]:
    unadapted, adapted = standin.adapt(), standin.adapt(examples(category))
    found = []
    for path in sorted((category / "to_score").iterdir()):
        try:
            before, after = (float(each.score([path])[0]) for each in (unadapted, adapted))
            found.append(Scored(path, before, after))
        except PictureError as error:
            found.append(Scored(path, float("nan"), float("nan"), str(error)))
    return found


def draw(
    categories: dict[str, tuple[dict[str, list[Path]], list[Scored]]],
    out: Path,
) -> None:
    figure: Figure = plt.figure(figsize=(ACROSS * 1.35, 3.5 * len(categories)), dpi=110)
    parts = figure.subfigures(len(categories), 1, squeeze=False)[:, 0]
    for part, (name, (support, scored)) in zip(parts, categories.items(), strict=True):
        readable = [each for each in scored if not each.problem]
        part.suptitle(
            f"{name}: its examples, and other pictures before → after them",
            x=0.01,
            ha="left",
            weight="bold",
        )
        rows = part.subplots(2, ACROSS, gridspec_kw={"height_ratios": [0.62, 1]})
        part.subplots_adjust(0.01, 0.11, 0.99, 0.86, 0.12, 0.42)
        shown = [(path, label) for label, paths in support.items() for path in paths]
        for axes, (path, label) in zip(rows[0], shown, strict=False):
            show(axes, path, STANDIN if label == "placeholder" else REAL)
            axes.set_title(f"example: {label}", size=8, color=NEUTRAL, pad=3)
        for axes, each in zip(rows[1], readable, strict=False):
            show(axes, each.path, STANDIN if each.after > 0.5 else REAL)
            axes.set_title(f"{each.before:.2f} → {each.after:.2f}", size=11, weight="bold", pad=4)
            axes.set_xlabel("stand-in" if each.after > 0.5 else "real", size=9)
        for axes in rows.flat:
            if not axes.has_data():
                axes.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.open(buffer).convert("RGB").save(out, quality=82, method=6)


def show(axes: Axes, path: Path, colour: str) -> None:
    with Image.open(path) as picture:
        side = max(picture.size)
        square = Image.new("RGB", (side, side), "white")
        square.paste(
            picture.convert("RGB"), ((side - picture.width) // 2, (side - picture.height) // 2)
        )
    axes.imshow(square)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(colour)
        spine.set_linewidth(2.5)


if __name__ == "__main__":
    raise SystemExit(main())
