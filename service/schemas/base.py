"""What all bodies share: their strictness, names, labels, counts, pictures and problems."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

SLUG = r"^[a-z0-9][a-z0-9._-]{0,99}$"
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


class ExampleCounts(Out):
    """Examples by label."""

    placeholder: int
    real: int


class Quality(Out):
    """Each example judged by a head that never saw it."""

    method: Literal["leave-one-out"]
    examples: int
    accuracy: float = Field(description="At probability 0.5.")
    auroc: float
    missed_placeholders: int
    false_alarms: int


class ProblemOut(Out):
    """What was wrong with one picture: a problem (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
