"""What is waiting becomes batches: in turns, once, bounded, and only for who still waits.

The encoder is the real one; a gate in front of it lets a test decide when a pass may run.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model import Model, PictureError, images
from model.ensemble import Ensemble
from model.experts.signals import Signals
from model.look import Look
from model.questions import Known, Question
from service.batching import Embedder
from service.decoding.decoders import InThreads
from service.errors import Overloaded, UnreadableBase64
from service.judging import Answer, Judge
from service.knowledge import Category
from service.metrics import Metrics
from service.pictures import Embedded, Named, Wish
from service.work import Plan
from tests.model.experts_random import random_ensemble
from tests.service.pictures import product, standin


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
        self.embedder = Embedder(encoder, plan, images.Limits(), self.metrics, self.decoders)

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


def test_embeddings_are_those_of_the_model_in_order(small_model: Model) -> None:
    data = [product(1), standin(1), product(2), product(1)]
    expected = small_model.embed(data).numpy()

    async def work() -> None:
        async with opened(small_model) as bench:
            found = await bench.embedder.embed([named(each) for each in data])
            for each, row, original in zip(found, expected, data, strict=True):
                assert isinstance(each, Embedded)
                assert each.sha256 == hashlib.sha256(original).hexdigest()
                assert (each.width, each.height) == (160, 120)
                np.testing.assert_allclose(each.embedding, row, atol=1e-5)
            # The picture that came twice was computed once.
            assert sum(bench.encoder.passes) == 3

    run(work)


def test_a_bad_picture_costs_its_neighbours_nothing(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            given = [UnreadableBase64("no"), named(product(1)), named(b"not a picture")]
            first, second, third = await bench.embedder.embed(given)
            assert first is given[0]
            assert isinstance(second, Embedded)
            assert isinstance(third, PictureError)
            assert bench.counted("unreadable") == 1
            # Errors are not remembered, and do not stand in the way.
            assert isinstance((await bench.embedder.embed(given[2:]))[0], PictureError)
            assert bench.embedder.waiting == 0

    run(work)


def test_what_waits_becomes_one_pass_up_to_the_largest(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            bench.encoder.gate.clear()
            tasks = [asyncio.create_task(bench.embedder.embed(products(seed))) for seed in range(9)]
            # One is in the encoder; two batches may be decoded ahead of it.
            await until(lambda: len(bench.embedder._ready) == 8)
            bench.encoder.gate.set()
            await asyncio.gather(*tasks)
            assert bench.encoder.passes == [1, 4, 4]

    run(work)


def test_a_wait_fills_a_batch(small_model: Model) -> None:
    async def work() -> None:
        # Longer than any test may take: only a full batch ends this wait.
        async with opened(small_model, wait=1e6) as bench:
            await bench.embedder.embed(products(1, 2, 3, 4))
            assert bench.encoder.passes == [4]
        async with opened(small_model, wait=0.001) as bench:
            await bench.embedder.embed(products(1))
            assert bench.encoder.passes == [1]

    run(work)


def test_free_encoders_share_what_is_ready(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model, encode_threads=2) as bench:
            bench.encoder.gate.clear()
            task = asyncio.create_task(bench.embedder.embed(products(*range(8))))
            await until(lambda: bench.embedder._passing == 2 and len(bench.embedder._ready) == 6)
            bench.encoder.gate.set()
            await task
            assert sum(bench.encoder.passes) == 8
            assert max(bench.encoder.passes) <= 4

    run(work)


def test_what_cannot_be_done_in_time_is_refused_and_small_requests_still_go(
    small_model: Model,
) -> None:
    async def work() -> None:
        async with opened(small_model, decode_threads=1, at_once=1, deadline=2.0) as bench:
            bench.embedder._pace.decode = bench.embedder._pace.encode = 0.02
            bench.encoder.gate.clear()
            large = asyncio.create_task(bench.embedder.embed(products(*range(30))))
            await asyncio.sleep(0)
            # 30 before it and 30 of its own at 40 ms each are more than half of that.
            with pytest.raises(Overloaded, match="not be answered within 2 seconds") as refused:
                await bench.embedder.embed(products(*range(100, 130)))
            assert refused.value.retry_after == pytest.approx(60 * 0.04 - 1.0, abs=0.1)
            small = asyncio.create_task(bench.embedder.embed(products(200)))
            bench.encoder.gate.set()
            assert all(isinstance(each, Embedded) for each in await large + await small)
            refusals = bench.metrics.registry.get_sample_value(
                "standin_refused_total", {"reason": "deadline"}
            )
            assert refusals == 1

    run(work)


def test_under_load_batches_fill_before_they_go(small_model: Model) -> None:
    async def work() -> None:
        # One core: while there is something to decode, no pass goes half full.
        async with opened(small_model, decode_threads=1, at_once=1) as bench:
            await bench.embedder.embed(products(*range(10)))
            assert bench.encoder.passes == [4, 4, 2]
            await bench.embedder.embed(products(50))
            assert bench.encoder.passes == [4, 4, 2, 1]

    run(work)


def test_a_request_that_is_alone_is_shared_among_the_encoders(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model, encode_threads=2, batch=8, at_once=2) as bench:
            await bench.embedder.embed(products(*range(10)))
            assert max(bench.encoder.passes) <= 5
            assert sum(bench.encoder.passes) == 10

    run(work)


def test_a_small_request_is_not_kept_waiting_by_a_large_one(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model, decode_threads=1, batch=2) as bench:
            bench.encoder.gate.clear()
            large = asyncio.create_task(bench.embedder.embed(products(*range(40))))
            await until(lambda: bench.embedder._passing == 1)
            small = asyncio.create_task(bench.embedder.embed(products(100)))
            await asyncio.sleep(0)
            bench.encoder.gate.set()
            await small
            # What was decoded ahead goes first, and then the turns.
            assert sum(bench.encoder.passes) <= 8
            assert not large.done()
            await large

    run(work)


def test_requests_for_the_same_picture_share_one_computation(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            bench.encoder.gate.clear()
            tasks = [asyncio.create_task(bench.embedder.embed(products(5))) for _ in range(6)]
            await until(lambda: bench.counted("joined") == 5)
            bench.encoder.gate.set()
            results = await asyncio.gather(*tasks)
            assert bench.encoder.passes == [1]
            assert len({id(found[0]) for found in results}) == 1
            await bench.embedder.embed(products(5))
            assert bench.encoder.passes == [1]
            assert bench.counted("cached") == 1

    run(work)


def test_the_cache_is_bounded_and_keeps_what_was_used_last(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model, cache=2) as bench:
            for seed in (1, 2, 1, 3):
                await bench.embedder.embed(products(seed))
            assert len(bench.embedder._seen) == 2
            assert sum(bench.encoder.passes) == 3
            await bench.embedder.embed(products(1))
            assert sum(bench.encoder.passes) == 3
            await bench.embedder.embed(products(2))
            assert sum(bench.encoder.passes) == 4
        async with opened(small_model, cache=0) as bench:
            await bench.embedder.embed(products(1))
            await bench.embedder.embed(products(1))
            assert bench.encoder.passes == [1, 1]

    run(work)


def test_a_request_that_is_given_up_is_not_computed(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            bench.encoder.gate.clear()
            gone = asyncio.create_task(bench.embedder.embed(products(*range(20))))
            stays = asyncio.create_task(bench.embedder.embed(products(3, 300)))
            await until(lambda: bench.embedder._passing == 1)
            gone.cancel()
            await asyncio.wait([gone])
            assert gone.cancelled()
            # Picture 3 has another who waits for it.
            assert bench.embedder.waiting == 2
            bench.encoder.gate.set()
            assert all(isinstance(each, Embedded) for each in await stays)
            # Besides, only what was in the encoder already.
            assert sum(bench.encoder.passes) <= 3
            assert bench.counted("dropped") == 19
            assert bench.embedder.waiting == 0

    run(work)


def test_a_full_queue_refuses_at_once_and_starts_nothing(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model, queue=8) as bench:
            bench.encoder.gate.clear()
            waiting = asyncio.create_task(bench.embedder.embed(products(*range(8))))
            await until(lambda: bench.embedder.waiting == 8)
            with pytest.raises(Overloaded) as refused:
                await bench.embedder.embed(products(50))
            assert refused.value.retry_after > 0
            assert bench.embedder.waiting == 8
            # What is on its way already may be waited for by anybody.
            joined = asyncio.create_task(bench.embedder.embed(products(0, 7)))
            await until(lambda: bench.counted("joined") == 2)
            bench.encoder.gate.set()
            await asyncio.gather(waiting, joined)
            await bench.embedder.embed(products(50))

    run(work)


def test_a_failing_encoder_is_heard_of_and_the_next_pass_goes_on(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            bench.encoder.fails = True
            with pytest.raises(RuntimeError, match="out of memory"):
                await bench.embedder.embed(products(1, 2))
            bench.encoder.fails = False
            assert bench.embedder.waiting == 0
            assert isinstance((await bench.embedder.embed(products(1)))[0], Embedded)

    run(work)


def test_closing_ends_what_waits(small_model: Model) -> None:
    async def work() -> None:
        bench = Bench(Gated(small_model.ensemble), plan())
        bench.encoder.gate.clear()
        task = asyncio.create_task(bench.embedder.embed(products(*range(10))))
        await until(lambda: bench.embedder._passing == 1)
        closing = asyncio.create_task(bench.embedder.close())
        await asyncio.sleep(0)
        bench.encoder.gate.set()
        await closing
        await bench.decoders.close()
        with pytest.raises(Overloaded):
            await task

    run(work)


@given(st.binary(max_size=200), st.sampled_from(["plain", "lines", "spaces"]))
def test_base64_is_read_as_it_is_written(small_model: Model, data: bytes, style: str) -> None:
    text = base64.b64encode(data).decode()
    if style == "lines":
        text = base64.encodebytes(data).decode()
    elif style == "spaces":
        text = f" {text}\r\n"

    async def work() -> None:
        async with opened(small_model) as bench:
            (found,) = await bench.embedder.name([text])
            assert isinstance(found, Named)
            assert found.data == data
            assert found.sha256 == hashlib.sha256(data).hexdigest()

    run(work)


@pytest.mark.parametrize("text", ["a", "===", "AA=A", "data:image/png;base64,AAAA", "é", "A-_A"])
def test_what_is_not_base64_is_that_picture_s_error(small_model: Model, text: str) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            bad, good = await bench.embedder.name([text, b"x"])
            assert isinstance(bad, UnreadableBase64)
            assert isinstance(good, Named)

    run(work)


def test_thumbnails_come_in_order_with_errors_in_place(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            first, second, third = await bench.embedder.thumbnails(
                [named(product(1, 600, 300)), named(b"no"), UnreadableBase64("no")]
            )
            assert isinstance(first, bytes)
            assert images.decode(first).width == 224
            assert isinstance(second, PictureError)
            assert isinstance(third, UnreadableBase64)

    run(work)


def test_a_thumbnail_is_made_beside_the_decoding_where_one_is_wanted(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model) as bench:
            one, other = products(1, 2)
            (plain,) = await bench.embedder.embed([one])
            (shown,) = await bench.embedder.embed([other], thumbnails=True)
            assert isinstance(plain, Embedded)
            assert isinstance(shown, Embedded)
            assert plain.thumbnail is None
            assert shown.thumbnail is not None
            with Image.open(io.BytesIO(shown.thumbnail)) as image:
                assert image.format == "WEBP"
                assert max(image.size) <= 256
            # What is remembered is the signals; who wants a picture of them makes it anew.
            (again,) = await bench.embedder.embed([other], thumbnails=True)
            assert isinstance(again, Embedded)
            assert again.thumbnail is None
            assert [type(each) for each in await bench.embedder.thumbnails([other])] == [bytes]

    run(work)


def test_what_would_come_too_late_is_not_begun(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model, decode_threads=1, at_once=1) as bench:
            bench.embedder._pace.decode = bench.embedder._pace.encode = 0.02
            bench.encoder.gate.clear()
            first = asyncio.create_task(bench.embedder.embed(products(*range(4))))
            await until(lambda: bench.embedder._passing == 1)
            soon = bench.embedder._loop.time() + 0.03
            late = asyncio.create_task(bench.embedder.embed(products(50), due=soon))
            later = asyncio.create_task(bench.embedder.embed(products(51), due=soon + 1000))
            await asyncio.sleep(0)
            bench.encoder.gate.set()
            with pytest.raises(Overloaded, match="no time"):
                await late
            assert isinstance((await later)[0], Embedded)
            assert len(await first) == 4
            assert sum(bench.encoder.passes) == 5

    run(work)


def nothing_known(ensemble: Ensemble) -> Category:
    known = Known(ensemble.base, ensemble.nothing, np.zeros(0, np.bool_))
    return Category(known, None, None)


def test_whether_what_is_known_is_enough_is_asked_once_a_category() -> None:
    """A picture that not every expert has seen may be enough for one category and not another."""
    ensemble = random_ensemble(1)  # reads some pictures, and not all
    wish, other = Wish(nothing_known(ensemble)), Wish(nothing_known(ensemble), 3)
    pictures = products(*range(12))

    async def work() -> None:
        async with opened(ensemble) as bench:
            first = await bench.embedder.embed(pictures, [wish] * 12)
            assert all(isinstance(one, Embedded) and one.answer(wish) for one in first)
            partly = [one for one in first if isinstance(one, Embedded) and not one.serves(None)]
            assert partly  # else some pictures were looked at as closely as all
            again = await bench.embedder.embed(pictures, [wish] * 12)
            assert all(one is two for one, two in zip(first, again, strict=True))
            assert bench.encoder.judged == 0  # the pass itself answered
            passes = len(bench.encoder.passes)
            found = await bench.embedder.embed(pictures, [other] * 12)
            assert all(isinstance(one, Embedded) and one.answer(other) for one in found)
            assert bench.encoder.judged == 12
            computed = sum(bench.encoder.passes[passes:])
            assert computed <= len(partly)
            await bench.embedder.embed(pictures, [other] * 12)
            assert bench.encoder.judged == 12
            # What was computed again is known as of its last pass.
            await bench.embedder.embed(pictures, [wish] * 12)
            assert bench.encoder.judged == 12 + computed
            # Everything there is: whoever asks without a category gets it.
            whole = await bench.embedder.embed(pictures)
            assert all(isinstance(one, Embedded) and one.serves(None) for one in whole)
            passes = len(bench.encoder.passes)
            await bench.embedder.embed(pictures, [other] * 12)
            assert len(bench.encoder.passes) == passes

    run(work)


def test_a_picture_is_answered_alike_in_a_pass_and_from_memory() -> None:
    ensemble = random_ensemble(3)
    wish, other = Wish(nothing_known(ensemble)), Wish(nothing_known(ensemble))
    pictures = products(*range(6))

    async def work() -> None:
        async with opened(ensemble) as bench:
            for each in (wish, other):
                for one in await bench.embedder.embed(pictures, [each] * 6):
                    assert isinstance(one, Embedded)
                    assert one.answer(each) is not None
            for one in await bench.embedder.embed(pictures, [wish] * 6):
                assert isinstance(one, Embedded)
                mine, others = one.answer(wish), one.answer(other)
                assert mine is not None
                assert others is not None
                assert mine.probability == pytest.approx(others.probability, rel=1e-4)
                assert mine.experts.keys() == others.experts.keys()

    run(work)


def test_what_is_begun_is_decoded_while_nobody_knows_yet_what_for(small_model: Model) -> None:
    wish = Wish(nothing_known(small_model.ensemble))

    async def work() -> None:
        async with opened(small_model) as bench:
            embedder, mine = bench.embedder, products(1, 2)
            begun = embedder.begin(mine, 1e12)
            await until(lambda: all(work.look is not None for work in begun.values()))
            assert bench.encoder.passes == []  # decoded, and waiting to be told
            found = await embedder.embed(mine, [wish] * 2, begun=begun)
            embedder.let_go(begun)
            assert all(isinstance(one, Embedded) and one.answer(wish) for one in found)
            counts = [bench.counted(each) for each in ("computed", "joined", "dropped")]
            assert counts == [2, 0, 0]
            # Known by now, and so nothing to begin.
            assert embedder.begin(mine, 1e12) == {}
            # Whose categories cannot be read lets go of what it began, and nobody computes it.
            begun = embedder.begin(products(3), 1e12)
            assert embedder.waiting == 1
            embedder.let_go(begun)
            assert embedder.waiting == 0
            assert bench.counted("dropped") == 1
            # Somebody else may wait for it, too: then it is computed all the same.
            begun = embedder.begin(products(4), 1e12)
            task = asyncio.create_task(embedder.embed(products(4), [wish]))
            await asyncio.sleep(0)
            embedder.let_go(begun)
            assert isinstance((await task)[0], Embedded)
            assert bench.counted("joined") == 1

    run(work)


def test_what_is_begun_and_cannot_be_read_is_decoded_once(small_model: Model) -> None:
    wish = Wish(nothing_known(small_model.ensemble))
    broken = named(product(1)[:40])

    async def work() -> None:
        async with opened(small_model) as bench:
            begun = bench.embedder.begin([broken], 1e12)
            await begun[broken.sha256].done
            (found,) = await bench.embedder.embed([broken], [wish], begun=begun)
            bench.embedder.let_go(begun)
            assert isinstance(found, PictureError)
            assert bench.counted("unreadable") == 1
            # Nothing remembered: what others computed meanwhile is the answer all the same.
        async with opened(small_model, cache=0) as bench:
            begun = bench.embedder.begin(products(1), 1e12)
            (first,) = await bench.embedder.embed(products(1), [wish])
            (second,) = await bench.embedder.embed(products(1), [wish], begun=begun)
            bench.embedder.let_go(begun)
            assert first is second
            assert bench.encoder.passes == [1]

    run(work)


def test_a_full_service_begins_nothing(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model, queue=4) as bench:
            bench.encoder.gate.clear()
            begun = bench.embedder.begin(products(1, 2, 3), 1e12)
            with pytest.raises(Overloaded):
                bench.embedder.begin(products(4, 5), 1e12)
            assert bench.embedder.waiting == 3
            bench.embedder.let_go(begun)

    run(work)
