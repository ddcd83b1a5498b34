"""What goes over the wire, in and out. Fields that are not here are refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service import problems, store
from service.scoring import THRESHOLD, UNSURE_BAND, Failure, Nearest, Score

SLUG = r"^[a-z0-9][a-z0-9._-]{0,99}$"
MAX_ID = 200
MAX_TITLE = 200

CategoryName = Annotated[str, StringConstraints(pattern=SLUG)]
Label = Literal["placeholder", "real"]
# A NUL cannot be stored by PostgreSQL, nor shown by anybody.
Title = Annotated[str, StringConstraints(max_length=MAX_TITLE, pattern=r"^[^\x00-\x1f\x7f]*$")]


class In(BaseModel):
    """A body: strict types, and no field that is not known."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Out(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


# -- pictures


class PictureIn(In):
    """A picture: exactly one of `data` (base64) and `url`."""

    data: str | None = Field(None, description="The file's bytes, base64.")
    url: str | None = Field(
        None, max_length=2000, description="Where to fetch it. Off: answered with an error."
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> PictureIn:
        if (self.data is None) == (self.url is None):
            raise ValueError("exactly one of data and url is needed")
        return self


# -- categories


class CategoryIn(In):
    """What may be set of a category. A field left out stays; null sets it back to the default."""

    title: Title | None = None
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        strict=False,
        description=f"Least probability that is a placeholder; {THRESHOLD} where never set.",
    )
    unsure_band: float | None = Field(
        None,
        ge=0,
        le=0.5,
        allow_inf_nan=False,
        strict=False,
        description="Half the width of the band around the threshold in which the decision is "
        f"`unsure`; {UNSURE_BAND} where never set: never unsure.",
    )


class ExampleCounts(Out):
    """Examples by label."""

    placeholder: int
    real: int


class CategoryOut(Out):
    """One category."""

    name: str
    title: str | None
    threshold: float
    unsure_band: float
    version: int
    examples: ExampleCounts
    created: datetime
    updated: datetime

    @classmethod
    def of(cls, category: store.Category) -> CategoryOut:
        """As the store has it, defaults filled in."""
        band = category.unsure_band
        return cls(
            name=category.name,
            title=category.title,
            threshold=THRESHOLD if category.threshold is None else category.threshold,
            unsure_band=UNSURE_BAND if band is None else band,
            version=category.version,
            examples=ExampleCounts(
                placeholder=category.placeholder_count, real=category.real_count
            ),
            created=category.created,
            updated=category.updated,
        )


class CategoryPage(Out):
    """Categories in the order of their names. `next_cursor` is null on the last page."""

    items: list[CategoryOut]
    next_cursor: str | None


# -- examples


class ExampleIn(PictureIn):
    """One labelled picture."""

    label: Label


class ExamplesIn(In):
    """An upload as JSON."""

    examples: list[ExampleIn] = Field(min_length=1)


class ProblemOut(Out):
    """What was wrong with one picture: a problem (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class Rejected(Out):
    """A picture of an upload that was not taken; `index` counts from 0 in order of appearance."""

    index: int
    error: ProblemOut


class Quality(Out):
    """Each example judged by a head that never saw it."""

    method: Literal["leave-one-out"]
    examples: int
    accuracy: float = Field(description="At probability 0.5.")
    auroc: float
    missed_placeholders: int
    false_alarms: int


class AdaptationOut(Out):
    """What an upload did. It is durable and in force."""

    category: str
    version: int
    examples: ExampleCounts
    added: int
    relabelled: int
    unchanged: int
    rejected: list[Rejected]
    quality: Quality | None = Field(description="null with fewer than two examples of a label.")
    took_ms: float


class ExampleSize(Out):
    """Pixels of the original, after EXIF orientation."""

    width: int
    height: int


class ExampleOut(Out):
    """One example."""

    id: str
    label: Label
    sha256: str
    size: ExampleSize
    format: str
    created: datetime

    @classmethod
    def of(cls, example: store.Example) -> ExampleOut:
        """As the store has it."""
        return cls(
            id=example.id,
            label=example.label,
            sha256=example.sha256,
            size=ExampleSize(width=example.width, height=example.height),
            format=example.format,
            created=example.created,
        )


class ExamplePage(Out):
    """Examples, oldest first. `next_cursor` is null on the last page."""

    items: list[ExampleOut]
    next_cursor: str | None


class LabelIn(In):
    """The other label."""

    label: Label


# -- versions


class VersionOut(Out):
    """One entry of a category's history."""

    number: int
    created: datetime
    examples: ExampleCounts
    cause: Literal["base", "examples", "feedback", "rollback"]
    quality: Quality | None
    active: bool
    source_version: int | None = Field(
        description="Of a rollback: the version whose examples are in force again."
    )

    @classmethod
    def of(cls, version: store.Version) -> VersionOut:
        """As the store has it."""
        quality: Any = version.quality
        return cls(
            number=version.number,
            created=version.created,
            examples=ExampleCounts(placeholder=version.placeholder_count, real=version.real_count),
            cause=version.cause,
            quality=None if quality is None else Quality(**quality),
            active=version.active,
            source_version=version.source_version,
        )


class VersionList(Out):
    """The history, newest first."""

    items: list[VersionOut]


class Nothing(In):
    """An operation that takes no fields."""


# -- scores


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
    """One bottom-level model that was asked."""

    probability: float
    weight: float


class Experts(Out):
    """Who was asked."""

    visual: Expert


class Seen(Out):
    """How many others carried the same picture."""

    request: int = Field(description="Other items of this request with the same bytes.")
    category: int = Field(description="Examples of the category that show the same picture.")


class Evidence(Out):
    """Why, in a form a merchandiser can check."""

    experts: Experts
    nearest: NearestByLabel
    text: str | None = Field(description="Words read in the picture; null where none were read.")
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


class ModelName(Out):
    """Which base model answered."""

    name: str
    version: str
    sha256: str


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
            experts=Experts(visual=Expert(probability=answer.probability, weight=1.0)),
            nearest=NearestByLabel(
                placeholder=NearestOut.of(answer.nearest["placeholder"]),
                real=NearestOut.of(answer.nearest["real"]),
            ),
            text=None,
            seen=Seen(request=answer.seen_in_request, category=answer.seen_in_category),
        ),
    )


def rejected_of(rejected: Sequence[tuple[int, Exception]]) -> list[Rejected]:
    """``rejected`` of an upload as it goes out."""
    return [Rejected(**each) for each in problems.rejections(rejected)]


# -- model and health


class ModelOut(Out):
    """The base model in force."""

    name: str
    version: str
    sha256: str
    backbone: str
    learner: str
    image_size: int
    embedding_dim: int
    device: str
    precision: str


class Alive(Out):
    """The process lives."""

    status: Literal["alive"] = "alive"


class Ready(Out):
    """Weights are loaded and the store answers."""

    status: Literal["ready"] = "ready"
    model: str
    stale_examples: int = Field(
        description="Examples learned under other weights; their categories are not scored until "
        "the pictures are uploaded again."
    )
