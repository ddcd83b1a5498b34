"""The guard over guesses: the teacher's words judge them, and undo them. Part of a transaction."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from service.store.adaptation import Adaptation, AdaptFn, Trial
from service.store.history import guess_loss_at
from service.store.records import Change
from service.store.schema import CategoryRow
from service.store.sets import Member, adapt_to, commit_set, in_order, support_of


def trial_of(
    session: Session, category: CategoryRow, before: Sequence[Member], words: Sequence[Member]
) -> Trial | None:
    """What guesses are judged on; None where there are none, or nothing was said.

    Args:
        before: the set before the words.
        words: pictures as the teacher labels them. They are left out of the set, so that no guess
            is judged on its own picture, nor any word on what it taught earlier.
    """
    words = [one for one in words if not one.guess]
    spoken = {one.id for one in words}
    rest = in_order([one for one in before if one.id not in spoken])
    if not words or not any(one.guess for one in rest):
        return None
    # Embeddings of several models cannot be compared; the change itself is about to be refused.
    models = {one.model_sha256 for one in (*rest, *words)} - {""}
    if len(models) > 1 or len({len(one.embedding) for one in (*rest, *words)}) > 1:
        return None
    lost = guess_loss_at(session, category.id, category.version)
    return Trial(support_of(rest), support_of(words), lost)


def after_words(
    session: Session,
    now: datetime,
    category: CategoryRow,
    members: Sequence[Member],
    adapt: AdaptFn,
    adaptation: Adaptation,
    change: Change,
) -> Change:
    """The change, and where the words spoke against the guesses one version more without them.

    Args:
        members: the set that was just committed; adaptation: of it.
    """
    gone = [one for one in members if one.guess]
    if not (adaptation.drops_guesses and gone):
        return change
    session.refresh(category)
    kept = [one for one in members if not one.guess]
    width = len(gone[0].embedding) // 4
    without = adapt_to(session, category, kept, adapt, width=width)
    labels = [one.label for one in kept]
    ids = [one.id for one in gone]
    now_in_force = commit_set(session, now, category, labels, ids, {}, "guard", without)
    return replace(change, category=now_in_force[0], version=now_in_force[1], undone=len(gone))
