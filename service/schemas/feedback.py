"""The teacher's words and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from service import problems
from service.feedback import Judged
from service.schemas.base import In, Label, Out, ProblemOut
from service.store import NotTaught

ScoreId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]


class WordIn(In):
    """What a scored picture really was."""

    score_id: ScoreId = Field(description="`score_id` of the result that this is about.")
    label: Label


class FeedbackIn(In):
    """The teacher's words; the later one on a picture counts."""

    items: list[WordIn] = Field(min_length=1)


class JudgedOut(Out):
    """A word that was taken. What it changed is durable and in force."""

    score_id: str
    category: str
    label: Label
    reward: float = Field(
        ge=-1,
        le=1,
        description="Of the earlier answer: 1 - 2 (1 - p)^2, p being the probability that it gave "
        "to what the picture was. 1 is sure and right, -1 sure and wrong, a coin has 0.5.",
    )
    version: int = Field(
        description="In force now. All words of a request on one category make one."
    )
    status: Literal["added", "relabelled", "unchanged", "superseded"] = Field(
        description="`unchanged`: the picture is an example with this label already. "
        "`superseded`: a later item of this request says otherwise of the same picture."
    )


class NotJudgedOut(Out):
    """A word that could not be taken, and why."""

    score_id: str
    error: ProblemOut


class FeedbackOut(Out):
    """Answers in request order."""

    results: list[JudgedOut | NotJudgedOut]

    @classmethod
    def of(cls, judged: Sequence[Judged | NotTaught]) -> FeedbackOut:
        """As it goes out."""
        return cls(results=[_result_of(one) for one in judged])


def _result_of(one: Judged | NotTaught) -> JudgedOut | NotJudgedOut:
    if isinstance(one, NotTaught):
        error = problems.describe(one.error).as_json()
        return NotJudgedOut(score_id=one.word.score_id, error=ProblemOut(**error))
    taught = one.taught
    return JudgedOut(
        score_id=taught.word.score_id,
        category=taught.score.category,
        label=taught.word.label,
        reward=one.reward,
        version=taught.version,
        status=taught.status,
    )
