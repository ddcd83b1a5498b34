"""What a process does next with what it has been sent."""

from __future__ import annotations

import os

import pytest

from model.ensemble import Ensemble
from service.judging import Judge
from service.kept import NOTHING, Kept
from service.knowledge import Knowledge
from service.pictures import Wish, questions_of
from service.workers import frames
from service.workers.bench import Bench, Experts
from service.workers.desk import MANY, NOBODY, Desk
from service.workers.frames import NOWHERE, Order, Passed
from service.workers.terms import Terms
from tests.model.experts_random import random_ensemble
from tests.service.pictures import product


class Sender:
    """What a service sends to a bench, and what comes back, in order."""

    def __init__(self, ensemble: Ensemble, **terms: float) -> None:
        self.desk = Desk(2)
        self.experts = Experts(Judge(ensemble), Knowledge(ensemble))
        self.size = ensemble.image_size
        told = Terms(2**20, 2**20, computes=True, **terms)  # type: ignore[arg-type]
        self.bench = Bench(self.desk, told, self.experts, self._heard)
        self.asked: dict[int, int] = {}
        self.passes: list[list[Passed]] = []
        self.refused: dict[int, Exception] = {}
        self.slates: list[int] = []

    def _heard(self, parts: list[bytes | memoryview]) -> None:
        self.slates.append(self.desk.slate)
        whole = b"".join(parts)
        kind, _ = frames.HEAD.unpack_from(whole)
        body = memoryview(whole)[frames.HEAD.size :]
        if kind == frames.PASSED:
            self.passes.append(frames.read_passed(body, self.asked.__getitem__)[0])
        else:
            number, error = frames.read_refused(body)
            self.refused[number] = error

    def send(self, parts: list[bytes | memoryview]) -> None:
        whole = b"".join(parts)
        kind, _ = frames.HEAD.unpack_from(whole)
        self.bench.hear(kind, memoryview(whole)[frames.HEAD.size :])

    def picture(
        self,
        number: int,
        wishes: frames.Wishes | None = (True, ()),
        data: bytes | None = None,
        alone: bool = False,
    ) -> None:
        data = product(number) if data is None else data
        self.asked[number] = len(wishes[1]) if wishes else 0
        order = Order(number, len(data), NOWHERE, self.size, 0, True, False, alone, wishes)
        self.send(frames.picture(order, data))

    def category(self, number: int, kept: Kept = NOTHING) -> None:
        self.send(frames.about(frames.CATEGORY, number, kept.to_bytes()))

    def work(self) -> None:
        """Until there is nothing to do."""
        while self.bench.patience() == 0.0:
            self.bench.step()

    @property
    def sizes(self) -> list[int]:
        return [len(one) for one in self.passes]


@pytest.fixture
def ensemble() -> Ensemble:
    return random_ensemble(1)


def test_passes_take_what_is_there_up_to_the_largest(ensemble: Ensemble) -> None:
    sender = Sender(ensemble, batch=4)
    assert sender.bench.patience() is None
    for number in range(1, 11):
        sender.picture(number)
    sender.work()
    assert sender.sizes == [4, 4, 2]
    assert [one.seen.number for each in sender.passes for one in each] == list(range(1, 11))
    assert sender.slates == [MANY] * 3
    assert sender.desk.slate == NOBODY
    assert sender.bench.patience() is None


def test_what_comes_while_one_is_decoded_goes_with_it(ensemble: Ensemble) -> None:
    sender = Sender(ensemble)
    sender.picture(1)
    sender.bench.step()
    sender.picture(2)
    sender.work()
    assert sender.sizes == [2]


def test_answers_are_those_of_the_same_experts_here(ensemble: Ensemble) -> None:
    sender = Sender(ensemble)
    sender.category(7)
    for number in (1, 2, 3):
        sender.picture(number, (number == 3, [(7, 1), (7, 5)]))
    sender.work()
    (found,) = sender.passes
    base = sender.experts.knowledge.of(NOTHING)
    for one in found:
        signals = one.signals
        wishes = [Wish(base, 1), Wish(base, 5)]
        for wish, answer in zip(wishes, one.answers, strict=True):
            (here,) = sender.experts.judge.answers(signals, *questions_of([(0, wish)]))
            assert answer is not None
            assert here is not None
            assert answer.probability == pytest.approx(here.probability, abs=1e-6)
            assert answer.experts.keys() == here.experts.keys()
    assert found[2].signals.embedded[0]  # of which everything was wished


def test_what_nobody_has_told_the_wishes_of_is_decoded_and_waits(ensemble: Ensemble) -> None:
    sender = Sender(ensemble)
    sender.category(3)
    sender.picture(1, None)
    sender.picture(2, None)
    sender.work()
    assert sender.passes == []
    assert sender.bench.patience() is None
    sender.asked[2] = 1
    sender.send(frames.wishes(2, (False, [(3, 1)])))
    # What is told before a category is forgotten stands.
    sender.send(frames.about(frames.FORGET, 3))
    sender.work()
    assert [one.seen.number for one in sender.passes[0]] == [2]
    sender.send(frames.wishes(1, (True, [])))
    sender.work()
    assert sender.sizes == [1, 1]


def test_what_nobody_waits_for_is_left_wherever_it_is(ensemble: Ensemble) -> None:
    sender = Sender(ensemble)
    sender.picture(1)
    sender.bench.step()
    sender.picture(2)
    for number in (1, 2):
        sender.send(frames.about(frames.DROP, number))
        assert "nobody waits" in str(sender.refused[number])
    sender.work()
    assert sender.passes == []
    sender.picture(3)
    sender.work()
    sender.refused.clear()
    sender.send(frames.about(frames.DROP, 3))  # it was too late for that
    assert sender.sizes == [1]
    assert sender.refused == {}


def test_what_shall_be_alone_is_and_is_written_on_the_slate(ensemble: Ensemble) -> None:
    sender = Sender(ensemble)
    for number in (1, 2, 3, 4):
        sender.picture(number, alone=number in (1, 3))
    sender.work()
    assert [[one.seen.number for one in each] for each in sender.passes] == [[1], [2, 4], [3]]
    assert sender.slates == [1, MANY, 3]


def test_a_picture_that_cannot_be_read_costs_its_neighbours_nothing(ensemble: Ensemble) -> None:
    sender = Sender(ensemble)
    sender.picture(1, data=b"no picture")
    sender.picture(2)
    sender.work()
    assert list(sender.refused) == [1]
    assert sender.sizes == [1]


def test_wishes_that_come_after_an_answer_are_nobodys(ensemble: Ensemble) -> None:
    sender = Sender(ensemble)
    sender.picture(1, None, data=b"no picture")
    sender.work()
    assert list(sender.refused) == [1]
    sender.send(frames.wishes(1, (True, [])))  # sent before the refusal had come
    assert sender.bench._wishes == {}
    sender.work()
    assert sender.passes == []


def test_a_pass_that_fails_is_told_to_all_of_it_and_the_next_goes_on(
    ensemble: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(ensemble)

    def fails(*_: object) -> None:
        raise MemoryError("no room")

    for number in (1, 2):
        sender.picture(number)
    with monkeypatch.context() as patch:
        patch.setattr(sender.experts.judge, "examine", fails)
        sender.work()
    assert {number: str(error) for number, error in sender.refused.items()} == {
        1: "MemoryError: no room",
        2: "MemoryError: no room",
    }
    sender.picture(3)
    sender.work()
    assert sender.sizes == [1]


def test_a_wait_fills_a_pass(ensemble: Ensemble) -> None:
    sender = Sender(ensemble, batch=2, wait=1000.0)  # longer than any test may take
    sender.picture(1)
    sender.work()
    patience = sender.bench.patience()
    assert patience is not None
    assert 900 < patience <= 1000
    assert sender.passes == []
    sender.picture(2)
    sender.work()
    assert sender.sizes == [2]


def test_a_file_on_the_desk_is_read_there(ensemble: Ensemble) -> None:
    sender = Sender(ensemble)
    data = product(5)
    other = Desk.shared(os.dup(sender.desk.fileno()))
    other.lay(2, data)
    sender.asked[5] = 0
    sender.send(
        frames.picture(Order(5, len(data), 2, sender.size, 0, True, False, False, (True, ())))
    )
    sender.work()
    assert sender.sizes == [1]
    other.close()
