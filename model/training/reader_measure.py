"""How well the reader reads: drawn words that it never saw, and real pictures that it never saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model.data import Record
from model.experts.words import Reader
from model.images import decode, decode_image
from model.intervals import Interval, bootstrap_ranking, proportion_interval
from model.metrics import auroc_of, recall_at_false_alarms_of, resolves
from model.reports.peers.words import WordReader
from model.standins import Resources
from model.standins.fonts import script_of
from model.training.reader_phrases import Group
from model.training.reader_views import ReaderSource

GROUPS: tuple[Group, ...] = ("seen", "phrase", "language", "script")
ABSTAINS = -1e3
"""Rank of a picture on which the reader abstains: below all that it judges."""


def measure(
    reader: Reader,
    records: Sequence[Record],
    resources: Resources,
    *,
    seed: int,
    each: int,
    peer: int = 0,
    progress: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> dict[str, Any]:
    """Every figure of docs/reader.md.

    Args:
        records: real pictures that nothing was trained on.
        each: drawn notices, and as many drawn ordinary words, for each group.
        peer: of how many real pictures the OCR word list gives its opinion, too; 0 leaves it out.
    """
    total = 2 * each * len(GROUPS) + len(records) + peer
    done = 0
    drawn: dict[str, Any] = {}
    for group in GROUPS:
        if not _source(resources, seed, group).has_words:
            continue  # the built-in font writes no other script
        scores, is_notice, languages = drawn_scores(reader, resources, seed, group, 2 * each)
        drawn[group] = _figures(scores, is_notice, seed)
        drawn[group]["scripts"] = _by_script(scores, is_notice, languages, seed)
        done += 2 * each
        progress(done, total, f"drawn {group}")
    found: dict[str, Any] = {"drawn": drawn}
    if records:
        scores = np.empty(len(records), dtype=np.float32)
        for start in range(0, len(records), 64):
            rows = records[start : start + 64]
            pixels = np.stack([decode(r.path.read_bytes()).pixels for r in rows])
            scores[start : start + len(rows)] = _scores(reader, pixels)
            progress(done + start + len(rows), total, "real")
        done += len(records)
        found["real"] = _real(scores, records, seed)
        if peer:
            found["peer"] = _peer(
                reader, records, scores, seed, peer, partial(progress, done + peer)
            )
    found["milliseconds"] = milliseconds(reader)
    return found


def drawn_scores(
    reader: Reader, resources: Resources, seed: int, group: Group, count: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_], list[str]]:
    """Logits, labels and languages of ``count`` drawings, notices and ordinary words half and half.

    The drawings are other ones than those of training, whatever the group.
    """
    source = _source(resources, seed, group)
    scores, labels, languages = [], [], []
    for start in range(0, count, 64):
        views = [source.view(i) for i in range(start, min(start + 64, count))]
        with torch.inference_mode():
            reading = reader.read(torch.from_numpy(np.stack([pixels for pixels, _ in views])))
        scores.append(reading.says_none.numpy())
        labels += [label.says_none == 1 for _, label in views]
        languages += [label.language for _, label in views]
    return np.concatenate(scores), np.array(labels), languages


def _source(resources: Resources, seed: int, group: Group) -> ReaderSource:
    sorts = (("notice", 0.5), ("goods", 0.5))
    return ReaderSource([], resources, seed, group=group, sorts=sorts, salt=7)


def milliseconds(reader: Reader, repeats: int = 40) -> dict[str, float]:
    """CPU time of this thread for one picture, pixels in: median and best."""
    pixels = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    )
    times = []
    for _ in range(repeats):
        start = time.process_time()
        reader.read(pixels)
        times.append(1000 * (time.process_time() - start))
    return {"median": round(float(np.median(times)), 2), "best": round(min(times), 2)}


def _scores(reader: Reader, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    reading = reader.read(torch.from_numpy(pixels))
    heard: NDArray[np.float32] = torch.where(
        reading.lettering > 0, reading.says_none, torch.tensor(ABSTAINS)
    ).numpy()
    return heard


def _figures(
    scores: NDArray[np.float32], is_notice: NDArray[np.bool_], seed: int, resamples: int = 1000
) -> dict[str, Any]:
    """Ranking figures with their 95 % intervals."""
    notices = int(is_notice.sum())
    ordinary = len(scores) - notices
    found: dict[str, Any] = {"notices": notices, "ordinary": ordinary}
    metrics = {"auroc": auroc_of} | {
        f"recall at {100 * rate:g} %": partial(recall_at_false_alarms_of, target=rate)
        for rate in (0.01, 0.001)
        if resolves(ordinary, rate)
    }
    for name, metric in metrics.items():
        interval = bootstrap_ranking(
            {"reader": scores.astype(np.float64)}, is_notice, metric,
            generator=np.random.default_rng(seed), resamples=resamples,
        )["reader"]  # fmt: skip
        found[name] = _rounded(interval)
    return found


def _by_script(
    scores: NDArray[np.float32], is_notice: NDArray[np.bool_], languages: Sequence[str], seed: int
) -> dict[str, Any]:
    """AUROC within each script that has at least ten of both."""
    scripts = np.array([script_of(language) for language in languages])
    found = {}
    for script in sorted(set(scripts)):
        mine = scripts == script
        if min(int(is_notice[mine].sum()), int((~is_notice[mine]).sum())) >= 10:
            figures = _figures(scores[mine], is_notice[mine], seed, 300)
            found[script] = {k: v for k, v in figures.items() if "recall" not in k}
    return found


def _real(scores: NDArray[np.float32], records: Sequence[Record], seed: int) -> dict[str, Any]:
    """Lettered stand-ins, and all of them, against products; then what single parts do."""
    standin = np.array([r.is_standin for r in records])
    lettered = np.array([bool(r.language) for r in records])
    books = np.array([r.look == "lettering" for r in records]) & ~standin
    found: dict[str, Any] = {}
    for name, kept in (
        ("lettered stand-ins, products", ~standin | lettered),
        ("lettered stand-ins, text-heavy products", books | lettered),
        ("all stand-ins, products", np.ones(len(records), bool)),
    ):
        if standin[kept].any() and not standin[kept].all():
            found[name] = _figures(scores[kept], standin[kept], seed)
    parts = {"products": ~standin, "text-heavy products": books, "lettered stand-ins": lettered}
    found["abstains"] = {
        name: _rounded(proportion_interval(int((scores[part] == ABSTAINS).sum()), int(part.sum())))
        for name, part in parts.items()
        if part.any()
    }
    found["called at 0"] = {
        name: _rounded(proportion_interval(int((scores[part] >= 0).sum()), int(part.sum())))
        for name, part in parts.items()
        if part.any()
    }
    found["called at 0 by language"] = {
        language: [int((scores[mine] >= 0).sum()), int(mine.sum())]
        for language in sorted({r.language for r in records if r.is_standin and r.language})
        if (mine := np.array([r.is_standin and r.language == language for r in records])).any()
    }
    return found


def _peer(
    reader: Reader,
    records: Sequence[Record],
    scores: NDArray[np.float32],
    seed: int,
    count: int,
    progress: Callable[[int, str], None],
) -> dict[str, Any]:
    """The OCR word list on a sample of lettered stand-ins and products, half and half."""
    rng = np.random.default_rng(seed)
    places: list[int] = []
    for wanted in (True, False):
        options = [i for i, r in enumerate(records) if r.is_standin == wanted]
        options = [i for i in options if records[i].language or not wanted]
        places += rng.permutation(options)[: count // 2].tolist()
    words = WordReader()
    found, took = np.empty(len(places), dtype=np.float32), []
    for at, place in enumerate(places):
        image = decode_image(records[place].path.read_bytes())
        image.thumbnail((320, 320))
        start = time.process_time()
        found[at] = words.row(words.read(image))[0]
        took.append(1000 * (time.process_time() - start))
        progress(0, f"peer {at + 1} of {len(places)}")
    standin = np.array([records[place].is_standin for place in places])
    return {
        "word list": _figures(found, standin, seed),
        "word list, milliseconds": round(float(np.median(took)), 1),
        "reader": _figures(scores[places], standin, seed),
        "reader, milliseconds": milliseconds(reader)["median"],
    }


def _rounded(interval: Interval) -> list[float]:
    return [round(interval.estimate, 4), round(interval.low, 4), round(interval.high, 4)]


__all__ = ["ABSTAINS", "GROUPS", "drawn_scores", "measure", "milliseconds"]
