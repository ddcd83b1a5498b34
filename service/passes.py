"""One pass over a few pictures: what their experts see, and what is answered at once."""

from __future__ import annotations

from collections.abc import Sequence

from model.experts.signals import Signals
from model.look import Look
from service.judging import Answer
from service.metrics import Metrics
from service.pictures import Examines, Wish, questions_of

Found = tuple[Signals, list[tuple[Wish, Answer]]]
"""Of one picture: its signals, one row, and the answers to its wishes."""


def one_pass(
    experts: Examines, looks: Sequence[Look], wishes: Sequence[Sequence[Wish | None]]
) -> list[Found]:
    """As much of each picture as anybody wishes, in two groups: all of it, or what it takes. The
    answers come with it: the experts are at hand here, and another thread would have to be woken.
    """
    found: dict[int, Found] = {}
    whole = [row for row, mine in enumerate(wishes) if None in mine]
    some = [row for row, mine in enumerate(wishes) if None not in mine]
    for group in (whole, some):
        if not group:
            continue
        told = [(i, wish) for i, row in enumerate(group) for wish in wishes[row] if wish]
        pictures, asked = [looks[row] for row in group], questions_of(told)
        answers: Sequence[Answer | None]
        if group is some:
            signals, answers = experts.examine_for(pictures, *asked)
        else:
            signals = experts.examine(pictures)
            answers = experts.answers(signals, *asked)
        for i, row in enumerate(group):
            found[row] = signals.one(i), []
        for (i, wish), answer in zip(told, answers, strict=True):
            if answer is not None:
                found[group[i]][1].append((wish, answer))
    return [found[row] for row in range(len(looks))]


def count(metrics: Metrics, signals: Sequence[Signals], seconds: float) -> None:
    """A pass over pictures of which that is known now."""
    metrics.batch_pictures.observe(len(signals))
    metrics.encode_seconds.observe(seconds)
    metrics.experts.labels("statistics").inc(len(signals))
    for name, seen in (
        ("words", [one.read[0] for one in signals]),
        ("visual", [one.embedded[0] for one in signals]),
        ("glance", [one.glanced[0] for one in signals]),
    ):
        metrics.experts.labels(name).inc(sum(map(bool, seen)))
