"""The teacher's words on earlier scores become examples. Part of a transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from service.store import embeddings, scores
from service.store.adaptation import AdaptFn
from service.store.categories import find, find_or_create
from service.store.errors import (
    CategoryDeleted,
    ScoreNotFound,
    StaleEmbeddings,
    StaleScore,
    StoreError,
)
from service.store.examples import merge
from service.store.records import (
    Label,
    NewExample,
    NotTaught,
    Origin,
    ScoreRow,
    Taken,
    Taught,
    Word,
)

Outcome = Taught | NotTaught
Said = tuple[int, Word, ScoreRow]
"""A word's place in the call, the word, and the score that it is about."""


def teach(
    session: Session,
    now: datetime,
    tenant: str,
    words: Sequence[Word],
    adapt: AdaptFn,
    model_sha256: str,
) -> list[Outcome]:
    """Take every word that can be taken; outcomes in the order of the words.

    The latest word on a picture counts. A picture that is an example with that label already
    teaches nothing again: it was there to learn from when its score was given, or another score
    of it has been spoken about since. A guess that is confirmed teaches: nobody had spoken.
    """
    kept = scores.get(session, tenant, list(dict.fromkeys(word.score_id for word in words)))
    outcomes: dict[int, Outcome] = {}
    by_category: dict[str, list[Said]] = {}
    for place, word in enumerate(words):
        score = kept.get(word.score_id)
        if score is None:
            outcomes[place] = NotTaught(word, ScoreNotFound(word.score_id))
        elif score.model_sha256 != model_sha256 or example_of(score, word.label) is None:
            outcomes[place] = NotTaught(word, StaleScore(word.score_id))
        else:
            by_category.setdefault(score.category, []).append((place, word, score))
    # In one order for everybody: two calls that lock the same categories cannot block each other.
    for name in sorted(by_category):
        outcomes |= _teach_category(session, now, tenant, name, by_category[name], adapt)
    return [outcomes[place] for place in range(len(words))]


def _teach_category(
    session: Session,
    now: datetime,
    tenant: str,
    name: str,
    said: Sequence[Said],
    adapt: AdaptFn,
) -> dict[int, Outcome]:
    found = find(session, tenant, name, lock=True)
    current = None if found is None else found.id
    outcomes: dict[int, Outcome] = {}
    alive: list[Said] = []
    for place, word, score in said:
        # A name may have been given again since; the id never is.
        if score.category_id not in (None, current):
            outcomes[place] = NotTaught(word, CategoryDeleted(name))
        else:
            alive.append((place, word, score))
    if not alive:
        return outcomes
    last = {score.sha256: word.label for _, word, score in alive}
    decisive: dict[str, Said] = {}
    for one in alive:
        if one[1].label == last[one[2].sha256]:
            decisive.setdefault(one[2].sha256, one)
    given = [example_of(score, word.label) for _, word, score in decisive.values()]
    try:
        with session.begin_nested():
            category, _ = find_or_create(session, now, tenant, name)
            change, taken = merge(
                session,
                now,
                category,
                [new for new in given if new is not None],
                adapt,
                "feedback",
                {sha: score for sha, (_, _, score) in decisive.items()},
            )
    except StaleEmbeddings as error:
        return outcomes | _refused(alive, error)
    for place, word, score in alive:
        if word.label != last[score.sha256]:
            status: Taken = "superseded"
        else:
            first = decisive[score.sha256][0] == place
            status = taken[score.sha256] if first else "unchanged"
        outcomes[place] = Taught(word, score, status, change.version.number, change.undone)
    return outcomes


def _refused(said: Sequence[Said], error: StoreError) -> dict[int, Outcome]:
    return {place: NotTaught(word, error) for place, word, _ in said}


def example_of(score: ScoreRow, label: Label, origin: Origin = "teacher") -> NewExample | None:
    """What an example needs of a score, None where it was not kept."""
    if not (score.embedding and score.model_sha256):
        return None
    if score.width is None or score.height is None or score.format is None:
        return None
    return NewExample(
        label=label,
        sha256=score.sha256,
        width=score.width,
        height=score.height,
        format=score.format,
        embedding=embeddings.unpack_half(score.embedding),
        thumbnail=None,
        model_sha256=score.model_sha256,
        signals=score.signals,
        origin=origin,
    )
