"""Table and plot of docs/policy.md, from what ``scripts/train_policy.py`` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model.intervals import Interval
from model.policy.evaluate import RATES

BEGIN = "<!-- policy: written by scripts/train_policy.py -->"
END = "<!-- end of policy -->"
Figures = Mapping[str, Any]


def described(found: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    """Intervals as plain numbers, for JSON."""
    return {
        name: {"estimate": each.estimate, "low": each.low, "high": each.high}
        for name, each in found.items()
    }


def fragment(result: Figures, plot: str) -> str:
    """What stands between the markers.

    Args:
        plot: address of the plot, relative to the document.
    """
    about = result["about"]
    rows, asked = result["rows"], result["experts"]
    intro = (
        f"{rows['measured']:,} pictures of {rows['episodes']:,} episodes, "
        f"{rows['placeholders']:,} of them placeholders, none of them in the "
        f"{rows['training']:,} that the tables were learned on or the {rows['choosing']:,} that "
        "one of them was chosen on. Costs in ms: "
        + ", ".join(f"{n} {c:g}" for n, c in zip(asked, about["costs"], strict=True))
        + (
            f"; their mean is taken where {about['frequency']:.0%} of pictures are placeholders"
            if about["frequency"]
            else ""
        )
        + (f"; {' and '.join(about['given'])} look at every picture" if about["given"] else "")
        + ". 95 % intervals by bootstrap over episodes; differences to asking everybody are "
        "paired, and bold where the interval excludes zero."
    )
    parts = [
        f"```sh\n{about['command']}\n```",
        intro,
        _table(result),
        _saved(result),
        f"![Recall over milliseconds a picture]({plot})",
        _asked(result),
        _losses(result),
        _exactness(result),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(result: Figures) -> str:
    header = ["policy", "ms", "of everybody's", "recall at 1 %", "difference"]
    header += ["recall at 0.1 %", "difference", "AUROC", "log loss"]
    whole = result["policies"]["everybody"]["cost"]["estimate"]
    rows = []
    for name, found in result["policies"].items():
        cells = [name, _number(found["cost"], 2), f"{found['cost']['estimate'] / whole:.0%}"]
        for rate in RATES:
            key = f"recall_{rate:g}"
            cells.append(_number(found[key], 3))
            cells.append("" if name == "everybody" else _difference(found[f"{key} difference"]))
        cells += [_number(found["auroc"], 4), _number(found["log_loss"], 3)]
        rows.append(cells)
    return _markdown(header, rows)


def _saved(result: Figures) -> str:
    lines = []
    for name in result["learned"]:
        found, whole = result["policies"][name], result["policies"]["everybody"]
        saved = 1 - found["cost"]["estimate"] / whole["cost"]["estimate"]
        losses = [-found[f"recall_{rate:g} difference"]["estimate"] for rate in RATES]
        lines.append(
            f"- **{name}** ({result['learned'][name]}): saves {saved:.0%}, loses "
            f"{losses[0]:+.4f} of recall at 1 % and {losses[1]:+.4f} at 0.1 % false alarms."
        )
    return "\n".join(lines)


def _asked(result: Figures) -> str:
    header = ["share of pictures that are asked", *result["experts"], "ms, real", "ms, placeholder"]
    rows = [
        [
            name,
            *(f"{share:.1%}" for share in found["asked"]),
            *(f"{cost:.2f}" for cost in found["cost_of"]),
        ]
        for name, found in result["use"].items()
    ]
    return _markdown(header, rows)


def _losses(result: Figures) -> str:
    rows = [
        [
            line["focus"],
            _truth(line["distilled"]),
            "none within" if line["saved"] is None else f"{line['saved']:.0%}",
        ]
        for line in result["losses"]
    ]
    text = (
        "What each loss would have saved on the part that chooses, solved exactly at every price "
        f"and chosen within the tolerance of {result['about']['tolerance']:g}"
        + (f" and {worse:g} nats" if (worse := result["about"].get("worse")) else "")
        + ":"
    )
    return f"{text}\n\n{_markdown(['focus of the loss', 'truth', 'saved'], rows)}"


def _truth(distilled: float) -> str:
    if distilled in (0, 1):
        return "all experts' probability" if distilled else "label"
    return f"label, {distilled:.0%} all experts' probability"


def _exactness(result: Figures) -> str:
    lines = [
        f"- {name}: mean reward {each['reward']:.5f} on the part it was learned on (the exact "
        f"table {each['exact']:.5f}), the same experts asked about {each['agreement']:.1%} of "
        "its pictures."
        for name, each in result["exactness"].items()
    ]
    head = "Learned tables beside value iteration on the counted process, same setting:"
    return "\n".join([head, "", *lines]) if lines else ""


def _number(found: Figures, digits: int) -> str:
    half = (found["high"] - found["low"]) / 2
    return f"{found['estimate']:.{digits}f} ± {half:.{digits}f}"


def _difference(found: Figures) -> str:
    bold = "**" if found["low"] > 0 or found["high"] < 0 else ""
    return f"{bold}{found['estimate']:+.4f}{bold} ({found['low']:+.4f} to {found['high']:+.4f})"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(path: Path, result: Figures, plot: str) -> None:
    """Insert into the document, or begin it.

    Raises:
        MetricError: the file is there, but lacks the markers.
    """
    from model.reports.document import place

    place(path, "Policy", fragment(result, plot), BEGIN, END)


def draw(result: Figures, path: Path) -> None:
    """The cost-accuracy plane: recall at each rate over ms, SVG of fixed bytes."""
    # Offline work's packages; serving imports this package without them.
    from model.reports import svg
    from model.yardsticks import drawing

    with svg.styled():
        figure, axes = drawing.panels(1, len(RATES), (9.0, 4.2))
        for axis, rate in zip(axes, RATES, strict=True):
            key = f"recall_{rate:g}"
            for look, (name, points) in zip(
                drawing.LOOKS, result["plane"][f"{rate:g}"].items(), strict=False
            ):
                axis.plot(
                    [p["cost"] for p in points],
                    [p["recall"] for p in points],
                    markersize=3,
                    label=name,
                    **look,
                )
            for name, found in result["policies"].items():
                if name not in result["marked"]:
                    continue
                at = (found["cost"]["estimate"], found[key]["estimate"])
                axis.plot(*at, "k*" if name in result["learned"] else "kx", markersize=8)
                axis.annotate(name, at, textcoords="offset points", xytext=(4, -10), fontsize=7)
            everybody = result["policies"]["everybody"]
            axis.axhline(everybody[key]["estimate"], color="0.6", linewidth=0.8)
            axis.axvline(everybody["cost"]["estimate"] / 2, color="0.6", linewidth=0.8)
            axis.set(
                xlabel="milliseconds a picture",
                ylabel=f"recall at {rate:.1%} false alarms",
                ylim=(-0.02, 1.02),
            )
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        svg.save(figure, path)
