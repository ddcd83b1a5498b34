"""Processes that do all of a picture: the same answers as here, whatever becomes of a process."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from PIL import Image

import model
from model import Model, PictureError, images
from model.errors import UnreadablePicture
from model.teacher.candidates import learn
from service.batching import Embedder
from service.errors import Overloaded
from service.judging import Judge
from service.kept import Kept
from service.knowledge import Category, Knowledge
from service.metrics import Metrics
from service.pictures import Embedded, Named, Wish
from service.stages import Stages
from service.work import Plan
from service.workers.crew import Crew
from service.workers.decoders import InProcesses, InThreads
from service.workers.lane import Lane
from service.workers.process import YIELDS
from service.workers.terms import Terms
from service.workshop import AHEAD, Workshop
from tests.service.embedder_bench import named, plan, products, until
from tests.service.pictures import product, standin
from tests.service.processes import children_of

LIMITS = images.Limits()


@pytest.fixture(scope="module")
def released() -> Model:
    return model.load(None, "cpu", precision="float")


class Shop:
    """An embedder over real processes, and what it counted."""

    def __init__(self, loaded: Model, crew: Crew, chosen: Plan) -> None:
        self.crew = crew
        self.metrics = Metrics()
        judge = Judge(loaded.ensemble)
        self.engine = Workshop(crew, judge.image_size, judge.looks, chosen, self.metrics)
        self.embedder = Embedder(judge, chosen, LIMITS, self.metrics, self.engine)

    def counted(self, outcome: str) -> float:
        found = self.metrics.registry.get_sample_value(
            "standin_pictures_total", {"outcome": outcome}
        )
        assert found is not None
        return found

    def passes(self) -> tuple[float, float]:
        """How many, and of how many pictures."""
        value = self.metrics.registry.get_sample_value
        name = "standin_batch_pictures"
        return value(f"{name}_count") or 0.0, value(f"{name}_sum") or 0.0

    @property
    def processes(self) -> list[int]:
        return [each for child in self.crew.children for each in children_of(child.pid)]

    async def stopped(self, lane: Lane, condition: Callable[[], bool]) -> int:
        """The process of a lane, alone in its crew, stopped while that is so."""
        (process,) = self.processes
        while True:
            while not condition():
                await asyncio.sleep(0)
            os.kill(process, signal.SIGSTOP)
            if condition():
                return process
            os.kill(process, signal.SIGCONT)


@asynccontextmanager
async def opened(loaded: Model, count: int = 1, batch: int = 4) -> AsyncIterator[Shop]:
    chosen = plan(batch=batch, at_once=count, queue=1000)
    told = Terms(LIMITS.max_bytes, LIMITS.max_pixels, computes=True, precision="float", batch=batch)
    crew = Crew(count, AHEAD * batch, told)
    await crew.start()
    shop = Shop(loaded, crew, chosen)
    try:
        await shop.engine.warm_up()
        yield shop
    finally:
        await shop.embedder.close()
        await crew.close()


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 120))  # type: ignore[arg-type]


def taught(loaded: Model, seeds: Sequence[int]) -> Category:
    """A category after an upload of some pictures of each label."""
    ensemble = loaded.ensemble
    pictures = [product(seed) for seed in seeds] + [standin(seed) for seed in seeds]
    size = ensemble.image_size
    decoded = [images.decode(data, size, LIMITS) for data in pictures]
    seen = ensemble.examine([ensemble.look(one.pixels, one.width, one.height) for one in decoded])
    labels = np.arange(len(pictures)) >= len(seeds)
    lessons, _ = learn(ensemble, seen, labels)
    kept = Kept(
        lessons.to_bytes(),
        ensemble.name,
        None,
        seen.closest.astype(np.float16).astype(np.float32),
        [seen.packed(row, ensemble.mark) for row in range(len(seen))],
        labels,
        np.zeros(len(labels), np.bool_),
    )
    return Knowledge(ensemble).of(kept)


def noise(side: int) -> Named:
    out = io.BytesIO()
    Image.effect_noise((side, side), 50).convert("RGB").save(out, "PNG")
    return named(out.getvalue())


def test_answers_are_those_of_threads_here(released: Model) -> None:
    mine, other = taught(released, range(4)), taught(released, range(10, 13))
    base = Knowledge(released.ensemble).of(Kept(None, None, None, *_no_examples()))
    pictures: list[Named | PictureError] = [
        named(data) for seed in range(20, 26) for data in (product(seed), standin(seed))
    ]
    pictures.append(named(product(1)[:50]))
    wishes = [Wish((mine, other, base)[i % 3], 1 + i % 2) for i in range(len(pictures))]

    async def work() -> None:
        async with opened(released, 2) as shop:
            there = await shop.embedder.embed(pictures, wishes)
            whole = await shop.embedder.embed(pictures[:3])
            shown = await shop.embedder.embed(products(90, 91), thumbnails=True)
            here = os.getpriority(os.PRIO_PROCESS, 0)
            for process in shop.processes:  # the event loop goes first
                assert os.getpriority(os.PRIO_PROCESS, process) == min(19, here + YIELDS)
            again = await shop.embedder.embed(pictures, wishes)
        chosen, judge = plan(), Judge(released.ensemble)
        decoders = InThreads(2, LIMITS)
        metrics = Metrics()
        stages = Stages(judge, chosen, metrics, decoders)
        embedder = Embedder(judge, chosen, LIMITS, metrics, stages)
        here = await embedder.embed(pictures, wishes)
        await embedder.close()
        await decoders.close()
        for one, same, wanted, wish in zip(there[:-1], again, here, wishes, strict=False):
            assert isinstance(one, Embedded)
            assert isinstance(wanted, Embedded)
            assert isinstance(same, Embedded)
            assert (one.width, one.height, one.format) == (160, 120, wanted.format)
            answer, expected = one.answer(wish), wanted.answer(wish)
            assert answer is not None
            assert expected is not None
            assert answer.probability == pytest.approx(expected.probability, abs=1e-5)
            assert answer.experts.keys() == expected.experts.keys()
            np.testing.assert_allclose(one.embedding, wanted.embedding, atol=1e-5)
            # Of what was looked at more closely since, the answer is the same.
            remembered = same.answer(wish)
            assert remembered is not None
            assert remembered.probability == pytest.approx(answer.probability, abs=1e-5)
        broken = there[-1]
        assert isinstance(broken, UnreadablePicture)
        assert shop.counted("unreadable") == 2  # errors are not remembered
        for picture in whole:
            assert isinstance(picture, Embedded)
            assert picture.serves(None)
        for picture in shown:
            assert isinstance(picture, Embedded)
            assert picture.thumbnail is not None
            assert max(Image.open(io.BytesIO(picture.thumbnail)).size) <= 224

    run(work)


def test_where_processes_decode_alone_passes_are_made_here(released: Model) -> None:
    """As for a GPU."""
    pictures = [named(data) for seed in range(6) for data in (product(seed), standin(seed))]
    expected = released.embed([one.data for one in pictures]).numpy()

    async def work() -> None:
        chosen, judge, metrics = plan(), Judge(released.ensemble), Metrics()
        decoders = InProcesses(2, LIMITS)
        await decoders.start()
        stages = Stages(judge, chosen, metrics, decoders)
        embedder = Embedder(judge, chosen, LIMITS, metrics, stages)
        await stages.warm_up()
        found = await embedder.embed(pictures, thumbnails=True)
        await embedder.close()
        await decoders.close()
        for one, row in zip(found, expected, strict=True):
            assert isinstance(one, Embedded)
            assert one.thumbnail is not None
            np.testing.assert_allclose(one.embedding, row, atol=1e-5)

    run(work)


def _no_examples() -> tuple[np.ndarray, Sequence[bytes | None], np.ndarray, np.ndarray]:
    none = np.zeros(0, np.bool_)
    return np.zeros((0, 0), np.float32), (), none, none


def test_a_request_that_is_alone_is_shared_and_small_ones_are_not_kept_waiting(
    released: Model,
) -> None:
    async def work() -> None:
        async with opened(released, 2) as shop:
            before, _ = shop.passes()
            await shop.embedder.embed(products(*range(8)))
            assert shop.passes()[0] - before >= 2
            lanes = shop.crew.lanes
            large = asyncio.create_task(shop.embedder.embed(products(*range(100, 160))))
            await until(lambda: all(lane.jobs for lane in lanes))
            assert max(len(lane.jobs) for lane in lanes) <= AHEAD * 4
            small = asyncio.create_task(shop.embedder.embed(products(200)))
            await small
            assert not large.done()
            assert all(isinstance(each, Embedded) for each in await large)

    run(work)


def test_what_is_begun_early_and_what_is_given_up(released: Model) -> None:
    category = taught(released, range(3))

    async def work() -> None:
        async with opened(released) as shop:
            embedder = shop.embedder
            pictures = products(30, 31)
            begun = embedder.begin(pictures, 1e12)
            await asyncio.sleep(0.2)
            assert embedder.waiting == 2  # decoded there, and nobody has said what for
            wishes = [Wish(category)] * 2
            found = await embedder.embed(pictures, wishes, begun=begun)
            embedder.let_go(begun)
            assert all(isinstance(one, Embedded) and one.answer(wishes[0]) for one in found)
            # Whoever comes while it is under way may want more than is on its way.
            first = asyncio.create_task(embedder.embed(products(40), [Wish(category)]))
            await asyncio.sleep(0)
            second = asyncio.create_task(embedder.embed(products(40)))
            (everything,) = await second
            assert isinstance(everything, Embedded)
            assert everything.serves(None)
            assert isinstance((await first)[0], Embedded)
            # What nobody waits for is let go of, and its place is free again.
            begun = embedder.begin(products(*range(50, 70)), 1e12)
            embedder.let_go(begun)
            assert embedder.waiting == 0
            (lane,) = shop.crew.lanes
            await until(lambda: not lane.jobs)
            assert shop.engine.in_hand == 0
            assert shop.counted("dropped") == 20
            gone = asyncio.create_task(embedder.embed(products(*range(300, 320))))
            await asyncio.sleep(0.05)
            gone.cancel()
            assert isinstance((await embedder.embed(products(71)))[0], Embedded)

    run(work)


def test_whoever_ends_a_process_is_told_so_and_nobody_else(released: Model) -> None:
    async def work() -> None:
        async with opened(released) as shop:
            (lane,) = shop.crew.lanes
            embed = shop.embedder.embed
            # While one picture is decoded, and once more: the first time may have been chance.
            first = asyncio.create_task(embed([noise(1500)]))
            await until(lambda: len(lane.jobs) == 1)
            (guilty,) = lane.jobs
            process = await shop.stopped(lane, lambda: lane.desk.slate == guilty)
            behind = asyncio.create_task(embed(products(1, 2, 3)))
            await until(lambda: len(lane.jobs) == 4)
            os.kill(process, signal.SIGKILL)
            await until(lambda: not lane.greeted)
            await until(lambda: lane.there and lane.greeted)
            process = await shop.stopped(lane, lambda: lane.desk.slate == guilty)
            os.kill(process, signal.SIGKILL)
            assert isinstance((await first)[0], UnreadablePicture)
            assert all(isinstance(each, Embedded) for each in await behind)
            # While several are in a pass: nobody knows whose fault it is, so each goes alone.
            before = shop.passes()
            many = asyncio.create_task(embed(products(*range(10, 14))))
            process = await shop.stopped(lane, lambda: lane.desk.slate == 2**32 - 1)
            os.kill(process, signal.SIGKILL)
            assert all(isinstance(each, Embedded) for each in await many)
            passes, pictures = (now - then for now, then in zip(shop.passes(), before, strict=True))
            assert (passes, pictures) == (4, 4)
            # While there is nothing to do; what comes then waits for the next.
            (process,) = shop.processes
            os.kill(process, signal.SIGKILL)
            await until(lambda: not lane.greeted)
            assert isinstance((await embed(products(20)))[0], Embedded)
            assert shop.counted("unreadable") == 1

    run(work)


def test_categories_are_told_once_and_again_to_the_next_process(released: Model) -> None:
    category = taught(released, range(3))

    async def work() -> None:
        async with opened(released) as shop:
            (lane,) = shop.crew.lanes
            answers = []
            for seed in (1, 2):
                for _ in range(2):
                    wish = Wish(category)
                    (found,) = await shop.embedder.embed(products(seed), [wish])
                    assert isinstance(found, Embedded)
                    answers.append(found.answer(wish))
                (process,) = shop.processes
                os.kill(process, signal.SIGKILL)
                await until(lambda: not lane.greeted)
            assert all(answers)

    run(work)


def test_a_process_is_told_to_forget_what_is_too_much(
    released: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    categories = [taught(released, range(first, first + 2)) for first in (1, 11, 21)]
    monkeypatch.setattr("service.workers.lane._CATEGORIES", 1)

    async def work() -> None:
        async with opened(released) as shop:
            (lane,) = shop.crew.lanes
            pictures = products(*range(40, 49))
            wishes = [Wish(categories[i % 3]) for i in range(9)]
            found = await shop.embedder.embed(pictures, wishes)
            for one, wish in zip(found, wishes, strict=True):
                assert isinstance(one, Embedded)
                assert one.answer(wish) is not None
            assert len(lane._known) == 1
            # One picture for more categories than the process keeps.
            together = await asyncio.gather(
                *(shop.embedder.embed(products(50), [Wish(each)]) for each in categories)
            )
            assert all(isinstance(one, Embedded) for (one,) in together)
            begun = shop.embedder.begin(products(51), 1e12)
            picture = [products(51)[0]] * 3
            wishes = [Wish(each) for each in categories]
            for one, wish in zip(
                await shop.embedder.embed(picture, wishes, begun=begun), wishes, strict=True
            ):
                assert isinstance(one, Embedded)
                assert one.answer(wish) is not None
            shop.embedder.let_go(begun)
            assert shop.crew.lanes[0].greeted
            assert shop.counted("unreadable") == 0

    run(work)


def test_closing_ends_what_waits(released: Model) -> None:
    async def work() -> None:
        async with opened(released) as shop:
            waiting = asyncio.create_task(shop.embedder.embed(products(*range(30))))
            await until(lambda: shop.engine.in_hand > 0)
            await shop.embedder.close()
            with pytest.raises(Overloaded):
                await waiting

    run(work)
