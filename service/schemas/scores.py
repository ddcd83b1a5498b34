"""Scores and their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from model.experts import ExpertName
from model.questions import Opinion
from service import problems
from service.schemas.base import CategoryName, In, Out, PictureIn, ProblemOut
from service.schemas.model import ModelName
from service.scoring import Failure, Nearest, Score

MAX_ID = 200


class ScoreItemIn(PictureIn):
    """One picture to score."""

    id: str | None = Field(None, max_length=MAX_ID, description="Your name for it; comes back.")
    category: CategoryName | None = Field(
        None, description="Needed where the query names no category."
    )


class ScoreIn(In):
    """A scoring request as JSON: any mix of categories."""

    items: list[ScoreItemIn] = Field(min_length=1)


class NearestOut(Out):
    """The closest example of a label, by cosine similarity of the embeddings."""

    id: str
    similarity: float

    @classmethod
    def of(cls, nearest: Nearest | None) -> NearestOut | None:
        """None where the category has no example of that label."""
        if nearest is None:
            return None
        return cls(id=nearest.id, similarity=nearest.similarity)


class NearestByLabel(Out):
    """null where the category has no example of that label."""

    placeholder: NearestOut | None
    real: NearestOut | None


class Expert(Out):
    """One bottom-level model that was asked and had something to say."""

    probability: float = Field(description="What it says alone.")
    weight: float = Field(ge=0, le=1, description="Its share of the answer.")

    @classmethod
    def each(cls, opinions: Mapping[ExpertName, Opinion]) -> dict[ExpertName, Expert]:
        """As they go out."""
        return {
            name: cls(probability=round(opinion.probability, 6), weight=round(opinion.weight, 4))
            for name, opinion in opinions.items()
        }


class Seen(Out):
    """How many others carried the same picture."""

    request: int = Field(description="Other items of this request with the same bytes.")
    category: int = Field(description="Examples of the category that show the same picture.")


class Evidence(Out):
    """Why, in a form a merchandiser can check."""

    experts: dict[ExpertName, Expert] = Field(
        description="Those that were asked and had something to say; no more are asked than it "
        "takes. `statistics`: colours, edges, symmetry. `sameness`: known examples, and how many "
        "items carry the same picture. `words`: whether lettering says that there is no picture. "
        "`visual`: the adapted head over the embedding."
    )
    nearest: NearestByLabel
    text: str | None = Field(
        description="Words read in the picture, lines from the top; null where none were read, "
        "which the setting STANDIN_READ_TEXT leaves so unless it is `scores`."
    )
    seen: Seen


class ScoreOut(Out):
    """One answer."""

    id: str | None
    score_id: str
    category: str
    version: int
    probability: float = Field(gt=0, lt=1, description="That the picture is a placeholder.")
    decision: Literal["placeholder", "real", "unsure"]
    threshold: float
    evidence: Evidence


class FailureOut(Out):
    """A picture without a score, and why."""

    id: str | None
    error: ProblemOut


class ScoresOut(Out):
    """Answers in request order."""

    model: ModelName
    results: list[ScoreOut | FailureOut]


def result_of(answer: Score | Failure) -> ScoreOut | FailureOut:
    """One result as it goes out."""
    if isinstance(answer, Failure):
        error = problems.describe(answer.error).as_json()
        return FailureOut(id=answer.id, error=ProblemOut(**error))
    return ScoreOut(
        id=answer.id,
        score_id=answer.score_id,
        category=answer.category,
        version=answer.version,
        probability=answer.probability,
        decision=answer.decision,
        threshold=answer.threshold,
        evidence=Evidence(
            experts=Expert.each(answer.experts),
            nearest=NearestByLabel(
                placeholder=NearestOut.of(answer.nearest["placeholder"]),
                real=NearestOut.of(answer.nearest["real"]),
            ),
            text=answer.text,
            seen=Seen(request=answer.seen_in_request, category=answer.seen_in_category),
        ),
    )
