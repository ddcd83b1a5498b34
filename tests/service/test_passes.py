"""What a pass is given to answer, and what is begun before anybody knows what for."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from model import Model, PictureError
from model.ensemble import Ensemble
from model.questions import Known
from service.errors import Overloaded
from service.kept import NOTHING
from service.knowledge import Category, Learned
from service.pictures import Embedded, Wish
from tests.model.experts_random import random_ensemble
from tests.service.embedder_bench import named, opened, products, run, until
from tests.service.pictures import product


def nothing_known(ensemble: Ensemble) -> Category:
    known = Known(ensemble.base, ensemble.nothing, np.zeros(0, np.bool_))
    return Category(NOTHING, lambda _: Learned(known, None, None))


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
