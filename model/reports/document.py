"""Put a measurement into docs/benchmarks.md between its markers, and leave the rest alone."""

from __future__ import annotations

from pathlib import Path

from model.errors import MetricError
from model.reports import tables
from model.reports.figures import Figures

BEGIN = "<!-- accuracy: written by scripts/evaluate.py -->"
END = "<!-- end of accuracy -->"


def insert(document: str, fragment: str, begin: str = BEGIN, end: str = END) -> str:
    """The document with what stands between the markers replaced.

    Raises:
        MetricError: the markers do not both stand there once, in this order.
    """
    if document.count(begin) != 1 or document.count(end) != 1:
        raise MetricError(f"the document needs each of {begin!r} and {end!r} once")
    head, rest = document.split(begin)
    if end not in rest:
        raise MetricError(f"{end!r} stands before {begin!r}")
    tail = rest.split(end)[1]
    return f"{head}{begin}\n\n{fragment.strip()}\n\n{end}{tail}"


def place(path: Path, title: str, fragment: str, begin: str, end: str) -> None:
    """Insert into a file, or begin it with a title.

    Raises:
        MetricError: the file is there, but lacks the markers.
    """
    start = f"# {title}\n\n{begin}\n\n{end}\n"
    document = path.read_text(encoding="utf-8") if path.exists() else start
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(insert(document, fragment, begin, end), encoding="utf-8")


def fragment(result: Figures, plots: dict[str, str]) -> str:
    """The whole accuracy part.

    Args:
        plots: address of each picture, relative to the document, by name.
    """
    sections = [
        tables.provenance(result["about"]),
        _pool_in_words(result),
        "### Zero-shot\n\nNothing is known of the category; one threshold for all pictures. "
        "Intervals: bootstrap over pictures, stand-ins and real ones resampled apart; differences "
        "are paired, and bold where the interval excludes zero.",
        tables.zero_shot_tables(result),
        _picture(plots, "roc", "Recall against the false-alarm rate, logarithmic"),
        "### By kind of stand-in\n\nRecall, with Wilson's interval, at the thresholds that give "
        "1 % and 0.1 % false alarms over all real pictures, and at a probability of one half.",
        tables.breakdown_table(result, "kinds"),
        _picture(plots, "kinds", "Recall by kind of stand-in at 1 % false alarms"),
        _titled(
            "The same for drawn stand-ins of held-out families:",
            tables.breakdown_table(result, "kinds", "drawn"),
        ),
        _titled(
            "### By hard tag\n\nFalse alarms among products that look much like stand-ins, at the "
            "same thresholds.",
            tables.breakdown_table(result, "hardtags"),
        ),
        "### K-shot tasks\n\nEvery method answers the very same tasks over the very same "
        "pictures. Means over tasks with 95 % intervals (normal approximation); differences are "
        "paired.",
        _few_shot(result, "real", "ordinary", "Ordinary tasks: the products of one category"),
        _few_shot(
            result,
            "real",
            "turning",
            "Tasks that turn around: swatches, icons, lettering or logos are the products",
        ),
        _few_shot(
            result,
            "drawn",
            "turning",
            "Tasks that turn around, on drawn pictures of held-out families",
        ),
        _picture(plots, "k_shot", "Accuracy and AUROC by number of shots"),
        _titled("AUROC by what turns around, real pictures:", tables.looks_table(result, "real")),
        _titled("AUROC by what turns around, drawn pictures:", tables.looks_table(result, "drawn")),
        _titled(
            "### Calibration\n\nOver all queries of a condition together: expected calibration "
            "error (15 bins of equal width), log loss, and recall at one threshold for all tasks.",
            tables.calibration_table(result),
        ),
        _picture(plots, "reliability", "Reliability diagrams; bins of ten pictures or more"),
        "### The baselines' constants\n\n" + _chosen(result),
    ]
    return "\n\n".join(section for section in sections if section)


def _few_shot(result: Figures, pool: str, sort: str, title: str) -> str:
    parts = [
        f"{text}:\n\n{found}"
        for metric, text in (("accuracy", "Accuracy"), ("auroc", "AUROC"))
        if (found := tables.few_shot_table(result, pool, sort, metric))
    ]
    return "\n\n".join([f"**{title}**", *parts]) if parts else ""


def _pool_in_words(result: Figures) -> str:
    pool = result["pool"]
    return (
        f"Measured on {pool['standins']} stand-ins of {pool['standin_groups']} groups "
        f"({pool['standins_from_validation']} of them from folders that are for validation only) "
        f"and {pool['products']:,} products of {pool['product_groups']} groups and "
        f"{pool['categories']} categories, all kept out of training, and {pool['drawn']} drawn "
        f"pictures of {pool['drawn_families']} held-out families. The baseline's zero-shot model "
        f"is fitted to the training split: {pool['training_standins']} stand-ins and "
        f"{pool['training_products']:,} products."
    )


def _chosen(result: Figures) -> str:
    lines = []
    for name, stages in result["chosen"].items():
        for stage, choice in stages.items():
            scaled = "standardised" if choice["standardised"] else "rows of unit length"
            where = "left-out groups" if stage == "zero_shot" else "tasks"
            lines.append(
                f"- `{name}`, {stage.replace('_', '-')}: C = {choice['C']:g}, {scaled}; least mean "
                f"log loss over {where} of the training split, of {len(choice['mean_log_loss'])}."
            )
    return "\n".join(lines)


def _titled(title: str, found: str) -> str:
    return f"{title}\n\n{found}" if found else ""


def _picture(plots: dict[str, str], name: str, text: str) -> str:
    return f"![{text}]({plots[name]})" if name in plots else ""


def write(path: Path, result: Figures, plots: dict[str, str]) -> None:
    """Insert into the file, or begin it.

    Raises:
        MetricError: the file is there, but lacks the markers.
    """
    if path.exists():
        document = path.read_text(encoding="utf-8")
    else:
        document = f"# Benchmarks\n\n## Accuracy\n\n{BEGIN}\n\n{END}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(insert(document, fragment(result, plots)), encoding="utf-8")
