"""The log of a training run as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

STAGES = ("encoder", "learner")
_LOSSES = ("meta_loss", "auxiliary", "drift")


def plot_curves(entries: Sequence[Mapping[str, float | str]], path: Path) -> None:
    """Draw losses and validation AUROC of both stages by step, as SVG or PNG by the name.

    Args:
        entries: lines of the log (``Journal.entries``).
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(STAGES), figsize=(10, 6), squeeze=False)
    for column, stage in enumerate(STAGES):
        lines = [e for e in entries if e["stage"] == stage]
        steps = [float(e["step"]) + 1 for e in lines]
        names = sorted({k for e in lines for k in e} - {"stage", "step"})
        for name in names:
            panel = axes[0 if name in _LOSSES else 1][column]
            panel.plot(steps, [e.get(name) for e in lines], marker=".", label=name)
        axes[0][column].set_title(f"{stage}: loss")
        axes[1][column].set_title(f"{stage}: validation AUROC")
        axes[1][column].set_xlabel("outer step")
        for row in (0, 1):
            axes[row][column].grid(alpha=0.3)
            if axes[row][column].lines:
                axes[row][column].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
