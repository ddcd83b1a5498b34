"""Put a bake-off into docs/learners.md between its markers, and leave the rest alone."""

from __future__ import annotations

from pathlib import Path

from model.reports.bakeoff import tables
from model.reports.document import insert
from model.reports.figures import Figures
from model.reports.tables import provenance

BEGIN = "<!-- bake-off: written by scripts/compare_learners.py -->"
END = "<!-- end of bake-off -->"


def fragment(result: Figures, plots: dict[str, str]) -> str:
    """Everything between the markers.

    Args:
        plots: address of each picture, relative to the document, by name.
    """
    sections = [
        provenance(result["about"]),
        _how(result),
        "### Standing\n\nMeans over all conditions, both sorts weighing the same; least log loss "
        "first. Tasks that turn around without a real picture are not counted: nothing in them "
        "says that they do. Costs are of "
        f"{result['costs']['support']} examples and {result['costs']['queries']} queries on one "
        "thread; *ms to look* is what each picture takes before any of that: the encoder, a hash, "
        "the checks, reading words.",
        tables.standing_table(result),
        _picture(
            plots, "cost", "AUROC of tasks that turn around at K = 5 against the time to adapt"
        ),
        _picture(plots, "auroc", "AUROC by number of shots, all methods by family"),
        _picture(plots, "accuracy", "Accuracy by number of shots, all methods by family"),
    ]
    for sort, title in tables.SORTS.items():
        if five := tables.five_table(result, sort):
            sections += [f"### Five of each: {title}", five]
    for metric, name in (("auroc", "AUROC"), ("accuracy", "Accuracy"), ("log_loss", "Log loss")):
        for sort, title in tables.SORTS.items():
            if found := tables.shots_table(result, sort, metric):
                sections += [f"### {name}: {title}", found]
    against = next(iter(result["entrants"].values()))["title"]
    for metric, name in (("auroc", "AUROC"), ("log_loss", "Log loss")):
        for sort, title in tables.SORTS.items():
            if found := tables.differences_table(result, sort, metric):
                text = f"### {name} less that of {against}: {title}\n\n"
                text += "Paired; bold where the interval excludes zero."
                sections += [text, found]
    sections += ["### How they came about\n\n" + _training(result), tables.training_table(result)]
    return "\n\n".join(section for section in sections if section)


def _how(result: Figures) -> str:
    pool = result["pool"]
    return (
        f"{pool['measured']:,} held-out pictures ({pool['name']}), "
        f"{tables.conditions_in_words(result)} tasks a condition, the same for every method; where "
        "tasks turn around, as many of each look. 95 % intervals by resampling tasks within looks "
        "(1,000 times); ± is half an interval. They say how a figure moves with the tasks drawn "
        "from these pictures, not with other pictures. A method without an answer (a label is "
        "missing) says 0.5."
    )


def _training(result: Figures) -> str:
    training = result["training"]
    budget = training["budget"]
    what = "views that the weights were trained on" if training["views"] else "training pictures"
    return (
        f"Every learner with parameters saw the same {budget['steps'] * budget['tasks']:,} tasks "
        f"({budget['steps']} steps of {budget['tasks']}) over {training['pictures']:,} {what}, "
        f"K = 0 to {budget['most_shots']}, a third of them uneven or one-sided, by AdamW with a "
        f"warm-up and a cosine. Its learning rate is the best of {len(budget['rates'])} after "
        f"{budget['share']:.0%} of the steps on one part of the material, by the loss on tasks of "
        "the other, whose groups, families and categories neither the run nor the encoder had "
        "seen; constants of learners without parameters are chosen in the same way. *Meta-loss*: "
        "mean of the first and of the last twentieth of the run."
    )


def _picture(plots: dict[str, str], name: str, text: str) -> str:
    return f"![{text}]({plots[name]})" if name in plots else ""


def write(path: Path, result: Figures, plots: dict[str, str]) -> None:
    """Insert into the file, or begin it.

    Raises:
        MetricError: the file is there, but lacks the markers.
    """
    document = f"# Learners\n\n{BEGIN}\n\n{END}\n"
    if path.exists():
        document = path.read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = insert(document, fragment(result, plots), BEGIN, END)
    path.write_text(text, encoding="utf-8")
