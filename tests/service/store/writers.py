"""A process that writes to a store until it is killed; tests run it as a program.

    python -m tests.service.store.writers URL

It imports everything once and then, for every line on its standard input (``seed count``), forks
a child that opens the store and makes ``count`` changes. Standard output tells what happened, one
line each, as JSON: the child's pid, what it is about to do, and what the store acknowledged. Each
line is one ``write`` to the pipe, so a kill loses whole lines or none.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from typing import Any

from service.store import (
    Idempotency,
    IdempotencyConflict,
    NotFound,
    ScoreRow,
    Store,
    StoredAnswer,
    Taught,
    Word,
    new_id,
    open_store,
)
from service.store.store import utc_now
from tests.service.store.builders import MODEL, PATIENT, adapt, picture, score

TENANT = "t"
CATEGORIES = ("shoes", "paint")
OPERATION = "POST examples"


def say(**what: Any) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


async def write(url: str, seed: int, count: int) -> None:
    """Make changes one after another, saying what is about to happen and what was acknowledged."""
    store = open_store(url, PATIENT)
    chance = random.Random(seed)
    for step in range(count):
        category = chance.choice(CATEGORIES)
        key = f"{seed}-{step}"
        kind = chance.choices(
            ("add", "teach", "relabel", "remove", "activate", "scores"), (6, 3, 2, 1, 1, 2)
        )[0]
        say(about=kind, category=category, key=key)
        try:
            done = await one_change(store, chance, kind, category, key)
        except (NotFound, IdempotencyConflict) as error:
            say(refused=str(error), key=key)
        else:
            say(done=kind, category=category, key=key, **done)
    await store.close()


async def one_change(
    store: Store, chance: random.Random, kind: str, category: str, key: str
) -> dict[str, Any]:
    """One acknowledged change: what can be checked of it afterwards."""
    if kind == "scores":
        ids = [new_id() for _ in range(3)]
        await store.record_scores(
            [
                ScoreRow(TENANT, one, category, 1, 0.5, "unsure", "c" * 64, b"", utc_now())
                for one in ids
            ]
        )
        return {"scores": ids}
    if kind == "teach":
        rows = [score(chance.randrange(30), category, TENANT) for _ in range(3)]
        await store.record_scores(rows)
        words = [Word(one.score_id, chance.choice(("placeholder", "real"))) for one in rows]  # type: ignore[arg-type]
        taught = await store.teach(TENANT, words, adapt, MODEL)
        assert isinstance(taught[0], Taught)
        return {"version": taught[0].version, "scores": [one.score_id for one in rows]}
    if kind == "add":
        # A third of the numbers come again, with either label; the rest are new.
        numbers = [
            chance.randrange(30) if chance.random() < 0.3 else chance.randrange(10**9)
            for _ in range(chance.randint(1, 8))
        ]
        additions = {
            number: picture(number % 10**6, chance.choice(("placeholder", "real")))
            for number in numbers
        }
        unique = {one.sha256: one for one in additions.values()}
        await store.idempotent_begin(TENANT, OPERATION, key, key)
        change = await store.change_examples(
            TENANT,
            category,
            list(unique.values()),
            adapt,
            idempotency=Idempotency(
                OPERATION,
                key,
                lambda done: StoredAnswer(200, {}, str(done.version.number).encode()),
            ),
        )
        return {"version": change.version.number}
    if kind == "activate":
        latest = (await store.get_category(TENANT, category)).version
        version = await store.activate(TENANT, category, chance.randint(0, latest))
        return {"version": version.number}
    page = await store.list_examples(TENANT, category)
    if not page.items:
        return {}
    example = chance.choice(page.items)
    if kind == "relabel":
        label = chance.choice(("placeholder", "real"))
        change = await store.relabel_example(TENANT, category, example.id, label, adapt)  # type: ignore[arg-type]
    else:
        change = await store.remove_example(TENANT, category, example.id, adapt)
    return {"version": change.version.number}


def main(url: str) -> None:
    """Fork a writer for each line; say how each ended."""
    for line in sys.stdin:
        seed, count = map(int, line.split())
        child = os.fork()  # nothing has started a thread yet
        if child == 0:
            say(pid=os.getpid())
            asyncio.run(write(url, seed, count))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say(ended=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(sys.argv[1])
