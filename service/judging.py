"""What the experts of a release answer about pictures in categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.ensemble import Ensemble
from model.experts import ExpertName
from model.experts.signals import Signals
from model.look import Look
from model.questions import Opinion, Question, Route
from model.teacher.candidates import answer_from
from service.knowledge import Category


@dataclass(frozen=True, slots=True)
class Answer:
    """What a category, as it is, answers about a picture.

    Attributes:
        probability: strictly inside (0, 1).
        given: each candidate's probability (``model.teacher.candidates``), float32, little-endian.
        experts: those that answered.
    """

    probability: float
    given: bytes
    experts: Mapping[ExpertName, Opinion]


class Judge:
    """The experts of one release; what they are asked costs mostly the same for one and twenty."""

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble

    @property
    def image_size(self) -> int:
        """Side of the square that pictures are letterboxed to."""
        return self._ensemble.image_size

    @property
    def looks(self) -> bool:
        """Whether there are experts that look at a picture beside its decoding."""
        return self._ensemble.looks

    def examine(self, looks: Sequence[Look]) -> Signals:
        """All that can be known of pictures."""
        return self._ensemble.examine(looks)

    def examine_for(
        self, looks: Sequence[Look], categories: Sequence[Category], questions: Sequence[Question]
    ) -> tuple[Signals, list[Answer]]:
        """As much of pictures as questions take, and the answers."""
        known = [category.known for category in categories]
        signals, route = self._ensemble.examine_and_route(looks, known, questions)
        return signals, self._told(route, categories)

    def answers(
        self, signals: Signals, categories: Sequence[Category], questions: Sequence[Question]
    ) -> list[Answer | None]:
        """Of each question its answer; None where an expert has not seen the picture yet that the
        policy would ask."""
        if not questions:
            return []
        known = [category.known for category in categories]
        route = self._ensemble.route(signals, known, questions)
        return [
            None if wants >= 0 else said
            for wants, said in zip(route.wants.tolist(), self._told(route, categories), strict=True)
        ]

    def _told(self, route: Route, categories: Sequence[Category]) -> list[Answer]:
        found = answer_from(
            self._ensemble,
            route,
            [category.lessons for category in categories],
            [category.online for category in categories],
        )
        given = found.given.astype("<f4")
        return [
            Answer(probability, given[row].tobytes(), experts)
            for row, (probability, experts) in enumerate(
                zip(found.probability.tolist(), route.opinions(), strict=True)
            )
        ]
