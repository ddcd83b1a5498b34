"""An embedder over the real encoder, with a gate in front: a test decides when a pass may run."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from model import Model, PictureError, images
from model.ensemble import Ensemble
from model.experts.signals import Signals
from model.look import Look
from model.questions import Question
from service.batching import Embedder
from service.judging import Answer, Judge
from service.knowledge import Category
from service.metrics import Metrics
from service.pictures import Named
from service.stages import Stages
from service.work import Plan
from service.workers.decoders import InThreads
from tests.service.pictures import product


class Gated:
    """The real ensemble behind a gate; notes the size of each pass."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.judge = Judge(ensemble)
        self.image_size = ensemble.image_size
        self.judged = 0
        self.gate = threading.Event()
        self.gate.set()
        self.passes: list[int] = []
        self.fails = False

    @property
    def looks(self) -> bool:
        return self.judge.looks

    def examine(self, looks: Sequence[Look]) -> Signals:
        self._pass(looks)
        return self.judge.examine(looks)

    def examine_for(
        self, looks: Sequence[Look], categories: Sequence[Category], questions: Sequence[Question]
    ) -> tuple[Signals, list[Answer]]:
        self._pass(looks)
        return self.judge.examine_for(looks, categories, questions)

    def _pass(self, looks: Sequence[Look]) -> None:
        self.gate.wait()
        self.passes.append(len(looks))
        if self.fails:
            raise RuntimeError("out of memory")

    def answers(
        self, signals: Signals, categories: Sequence[Category], questions: Sequence[Question]
    ) -> list[Answer | None]:
        if threading.current_thread().name.startswith("aside"):  # else it is part of a pass
            self.judged += len(questions)
        return self.judge.answers(signals, categories, questions)


class Bench:
    """An embedder over a gated encoder, and what it counted."""

    def __init__(self, encoder: Gated, plan: Plan) -> None:
        self.encoder = encoder
        self.metrics = Metrics()
        self.decoders = InThreads(plan.decode_threads, images.Limits())
        self.engine = Stages(encoder, plan, self.metrics, self.decoders)
        self.embedder = Embedder(encoder, plan, images.Limits(), self.metrics, self.engine)

    def counted(self, outcome: str) -> float:
        found = self.metrics.registry.get_sample_value(
            "standin_pictures_total", {"outcome": outcome}
        )
        assert found is not None
        return found


def plan(**given: float) -> Plan:
    chosen = {
        "decode_threads": 2,
        "encode_threads": 1,
        "batch": 4,
        "wait": 0.0,
        "queue": 64,
        "cache": 100,
        "deadline": 1000.0,
    }
    chosen |= given
    chosen.setdefault("at_once", chosen["decode_threads"] + chosen["encode_threads"])
    chosen.setdefault("few", chosen["batch"])
    return Plan(**chosen)  # type: ignore[arg-type]


@asynccontextmanager
async def opened(model: Model | Ensemble, **given: float) -> AsyncIterator[Bench]:
    ensemble = model.ensemble if isinstance(model, Model) else model
    bench = Bench(Gated(ensemble), plan(**given))
    try:
        yield bench
    finally:
        bench.encoder.gate.set()
        await bench.embedder.close()
        await bench.decoders.close()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await work()

    asyncio.run(whole())


def named(data: bytes) -> Named:
    return Named(data, hashlib.sha256(data).hexdigest())


def products(*seeds: int) -> list[Named | PictureError]:
    return [named(product(seed)) for seed in seeds]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)
