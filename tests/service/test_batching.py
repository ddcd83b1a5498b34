"""What is waiting becomes batches: in turns, once, bounded, and only for who still waits."""

from __future__ import annotations

import asyncio
import hashlib

import numpy as np
import pytest

from model import Model, PictureError
from service.errors import Overloaded, UnreadableBase64
from service.pictures import Embedded
from tests.service.embedder_bench import Bench, Gated, named, opened, plan, products, run, until
from tests.service.pictures import product, standin


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
            await until(lambda: len(bench.engine._ready) == 8)
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
            await until(lambda: bench.engine._passing == 2 and len(bench.engine._ready) == 6)
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


def test_passes_grow_with_what_is_on_its_way(small_model: Model) -> None:
    async def passes(requests: int) -> list[int]:
        async with opened(small_model, decode_threads=1, at_once=1, batch=6, few=2) as bench:
            bench.encoder.gate.clear()
            tasks = [
                asyncio.create_task(bench.embedder.embed(products(n))) for n in range(requests)
            ]
            await until(lambda: bench.engine._passing == 1)
            bench.encoder.gate.set()
            await asyncio.gather(*tasks)
            return bench.encoder.passes

    async def work() -> None:
        assert max(await passes(3)) <= 3
        # The first goes when six are decoded; an encoder's share of 20 would be more than may be.
        assert (await passes(20))[0] == 6

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
            await until(lambda: bench.engine._passing == 1)
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
            await until(lambda: bench.engine._passing == 1)
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
        await until(lambda: bench.engine._passing == 1)
        closing = asyncio.create_task(bench.embedder.close())
        await asyncio.sleep(0)
        bench.encoder.gate.set()
        await closing
        await bench.decoders.close()
        with pytest.raises(Overloaded):
            await task

    run(work)


def test_what_would_come_too_late_is_not_begun(small_model: Model) -> None:
    async def work() -> None:
        async with opened(small_model, decode_threads=1, at_once=1) as bench:
            bench.embedder._pace.decode = bench.embedder._pace.encode = 0.02
            bench.encoder.gate.clear()
            first = asyncio.create_task(bench.embedder.embed(products(*range(4))))
            await until(lambda: bench.engine._passing == 1)
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
