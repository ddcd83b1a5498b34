"""Figures of simulated teachers: error and log loss by correction, as numbers and as a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from model.intervals import Interval, difference_interval, mean_interval
from model.teacher.learning import Settings
from model.teacher.simulation import Mixing, Run, mixed
from model.teacher.streams import Scenario
from model.teacher.weights import allowing_for_slips

Figures: TypeAlias = dict[str, Any]

# Corrections in a moving window, and by when an error must have recovered from a change.
WINDOW = 20
RECOVERY = 30
# Corrections between two points of a curve: windows that are closer hold nearly the same.
_STEP = WINDOW // 2
METHODS = {
    "ours": "online weights over all candidates",
    "no slips": "the same, judged as if no word were a slip",
    "no doubt": "the same without the candidate that doubts words",
    "no share": "the same, nothing shared out (Hedge)",
    "all": "re-adapted on all words, no weights",
    "newest": "re-adapted on the newest 24 words, no weights",
    "anew": "re-adapted on the words since the change, which nobody tells it",
    "no teacher": "the unadapted model",
}
_BEGIN = "<!-- teacher: written by scripts/teacher_streams.py -->"
_END = "<!-- end of teacher -->"


@dataclass(frozen=True)
class Scene:
    """A scenario and a teacher.

    Attributes:
        slips: share of the teacher's words that are wrong.
        unsure: the teacher speaks only of wrong answers and of those less sure than this.
    """

    slug: str
    scenario: Scenario
    slips: float = 0.0
    unsure: float | None = None

    @property
    def changes(self) -> bool:
        """Whether something changes halfway."""
        return self.scenario not in ("ordinary", "turning")

    @property
    def title(self) -> str:
        """For people."""
        slips = f", {self.slips:.0%} of the words wrong" if self.slips else ""
        silent = ", told only what was wrong or unsure" if self.unsure else ""
        return f"{self.scenario}{slips}{silent}"


SCENES = (
    Scene("turned-around", "turned around"),
    Scene("ordinary", "ordinary"),
    Scene("turning", "turning"),
    Scene("new-stand-in", "new stand-in"),
    Scene("turning-slips", "turning", 0.1),
    Scene("ordinary-slips", "ordinary", 0.1),
    Scene("inverted", "inverted"),
    Scene("turning-unsure", "turning", 0.0, 0.8),
    Scene("ordinary-unsure", "ordinary", 0.0, 0.8),
    Scene("new-stand-in-turning", "new stand-in, turning"),
    Scene("turned-around-slips", "turned around", 0.1),
    Scene("turned-around-unsure", "turned around", 0.0, 0.8),
)


def answers(run: Run, settings: Settings, anew: Run | None = None) -> dict[str, np.ndarray]:
    """What each method answered, shape (S, T), by its name in METHODS.

    The online weights' own are reckoned anew from the same candidates' answers, one thing changed
    in each; a thing that the settings leave out cannot be changed, and has no entry.

    Args:
        anew: of the second halves of the same streams alone, with "all" among its candidates: what
            nobody can do better who must find out about the change.
    """
    share, slips = settings.share, settings.slips
    kept = [name for name in run.candidates if name != "undoubted"]
    column = {name: run.given[:, :, i] for i, name in enumerate(run.candidates)}
    found = {
        "ours": run.answer,
        "all": column["all"],
        "newest": column[f"last {settings.windows[0]}"],
        "no teacher": column["base"],
    }
    if slips:
        found["no slips"] = mixed(run, run.candidates, share)
    if kept != list(run.candidates):
        found["no doubt"] = mixed(run, kept, share, slips)
    if share:
        found["no share"] = mixed(run, run.candidates, 0.0, slips)
    if anew is not None:
        later = anew.given[:, :, anew.candidates.index("all")]
        found["anew"] = np.concatenate([column["all"][:, : -later.shape[1]], later], 1)
    return {name: found[name] for name in METHODS if name in found}


def described(run: Run, scene: Scene, settings: Settings, anew: Run | None = None) -> Figures:
    """All figures of one scene: means over streams with 95 % intervals, by method.

    An answer is wrong where the truth, not the teacher, says so: 1 for p on the wrong side of 0.5.
    """
    spans = _spans(run.told.shape[1], scene.changes)
    found: Figures = {}
    errors: dict[str, np.ndarray] = {}
    for name, p in answers(run, settings, anew).items():
        wrong = ((p > 0.5) != run.is_placeholder).astype(np.float64)
        loss = -np.log(np.where(run.is_placeholder, p, 1 - p))
        errors[name] = wrong
        found[name] = {
            "error": {
                span: _interval(mean_interval(wrong[:, at].mean(1))) for span, at in spans.items()
            },
            "log_loss": _interval(mean_interval(loss.mean(1))),
            "error_by_correction": _moving(wrong),
            "log_loss_by_correction": _moving(loss),
        }
    for name, wrong in errors.items():
        less = difference_interval(errors["ours"].mean(1), wrong.mean(1))
        found[name]["ours_less_this"] = _interval(less)
    weights = {
        name: float(value)
        for name, value in zip(run.candidates, _last_weights(run, settings), strict=True)
    }
    return {
        **asdict(scene),
        "title": scene.title,
        "changes": scene.changes,
        "streams": len(run.told),
        "told": _interval(mean_interval(run.told.mean(1))),
        "slipped": float((run.said != run.is_placeholder).mean()),
        "methods": found,
        "last_weights": weights,
    }


def _spans(length: int, changes: bool) -> dict[str, slice]:
    """Stretches of a stream that have a figure of their own, those that fit into it."""
    half, around = length // 2, WINDOW // 2
    spans = {"first": (0, WINDOW)}
    if changes:
        spans["before"] = (half - WINDOW, half)
        spans["after"] = (half, half + WINDOW)
        spans["recovered"] = (half + RECOVERY - around, half + RECOVERY + around)
    spans |= {"last": (length - WINDOW, length), "all": (0, length)}
    return {name: slice(*ends) for name, ends in spans.items() if 0 <= ends[0] < ends[1] <= length}


def _last_weights(run: Run, settings: Settings) -> np.ndarray:
    """Mean weights of the candidates after the last word, shape (N,)."""
    mixing = Mixing(len(run.told), len(run.candidates), settings.share)
    for t in range(run.told.shape[1]):
        heard = allowing_for_slips(run.given[:, t], settings.slips)
        mixing.update(heard, run.said[:, t], run.told[:, t])
    value: np.ndarray = np.exp(mixing.log_weights).mean(0)
    return value


def _interval(found: Interval) -> Figures:
    return {"estimate": found.estimate, "low": found.low, "high": found.high}


def _moving(values: np.ndarray) -> Figures:
    """Mean over the window that ends at each of some corrections, the first whole one among them
    and the last; to the four digits that a curve can show."""
    length = values.shape[1]
    ends = sorted({*range(WINDOW, length + 1, _STEP), length})
    found = [mean_interval(values[:, end - WINDOW : end].mean(1)) for end in ends]
    return {
        "at": ends,
        "estimate": [round(each.estimate, 4) for each in found],
        "low": [round(each.low, 4) for each in found],
        "high": [round(each.high, 4) for each in found],
    }


def as_text(result: Figures) -> str:
    """JSON to be compared by line: a list or an object that holds no other stands on one."""
    text = json.dumps(result, indent=1, allow_nan=False)
    return re.sub(r"[\[{][^][{}]*[]}]", _on_one_line, text) + "\n"


def _on_one_line(found: re.Match[str]) -> str:
    # Inside a string a line's end is escaped: these are between the values.
    inside = re.sub(r"\n *", " ", found[0][1:-1]).strip()
    return f"{found[0][0]}{inside}{found[0][-1]}"


def document(path: Path, result: Figures) -> None:
    """Put the tables between the marks in a document; the rest of it is people's."""
    text = (
        path.read_text(encoding="utf-8") if path.is_file() else f"# Teacher\n\n{_BEGIN}\n{_END}\n"
    )
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    body = "\n".join(_lines(result))
    path.write_text(f"{before}{_BEGIN}\n\n{body}\n\n{_END}{after}", encoding="utf-8")


def _lines(result: Figures) -> Iterator[str]:
    about = result["about"]
    versions = ", ".join(f"{name} {each}" for name, each in about["versions"].items())
    yield f"```sh\n{about['command']}\n```\n"
    yield (
        f"{about['date']}, {about['machine']}, {versions}; weights `{about['weights']}` (SHA-256 "
        f"`{about['weights_sha256'][:16]}…`). All figures: "
        "[results/teacher.json](results/teacher.json)."
    )
    for title, changes in (("Nothing changes", False), ("Something changes halfway", True)):
        scenes = [scene for scene in result["scenes"].values() if scene["changes"] == changes]
        if scenes:
            yield f"\n### {title}\n"
            yield from _table(scenes, changes)


def _table(scenes: list[Figures], changes: bool) -> Iterator[str]:
    spans = {"first": f"first {WINDOW}"}
    if changes:
        spans |= {
            "before": f"{WINDOW} before the change",
            "after": f"{WINDOW} after it",
            "recovered": f"{RECOVERY - WINDOW // 2 + 1} to {RECOVERY + WINDOW // 2} after it",
        }
    spans |= {"last": f"last {WINDOW}", "all": "all"}
    there = next(iter(scenes[0]["methods"].values()))["error"]
    spans = {name: title for name, title in spans.items() if name in there}
    yield "Error, by correction:\n"
    yield "| scene | method | " + " | ".join(spans.values()) + " | log loss, all |"
    yield "| --- | --- |" + " ---: |" * (len(spans) + 1)
    for scene in scenes:
        for place, (name, found) in enumerate(scene["methods"].items()):
            label = f"{scene['title']} ({scene['streams']} streams)" if not place else ""
            cells = [_cell(found["error"][span]) for span in spans]
            cells.append(_cell(found["log_loss"]))
            yield f"| {label} | {METHODS[name]} | " + " | ".join(cells) + " |"


def _cell(found: Figures) -> str:
    return f"{found['estimate']:.3f} ± {(found['high'] - found['low']) / 2:.3f}"
