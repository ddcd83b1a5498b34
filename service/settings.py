"""Every setting, once: its name, its default, its bounds and what it does.

The environment variable of ``port`` is ``STANDIN_PORT``. docs/settings.md is written from this
table (``python -m service --write-settings docs/settings.md``), and a test compares the two.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

PREFIX = "STANDIN_"
# The suite's own variables (which database server to test on) share the prefix.
FOREIGN_PREFIXES = ("STANDIN_TEST_",)
MIB = 2**20
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingsError(Exception):
    """The settings cannot be served with; ``str()`` names each one that is wrong, and why."""


class Settings(BaseModel):
    """The table of settings. Build it with :func:`read`, which refuses names it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # -- where
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on. While no key is configured, only a loopback address "
        "is accepted (see `allow_unauthenticated`).",
    )
    port: int = Field(
        8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one and prints it."
    )
    allow_unauthenticated: bool = Field(
        False,
        description="Listen on an address that others can reach although no key is configured. "
        "Only behind something that asks who is there, or in a container whose port is published "
        "on the loopback address alone.",
    )
    hosts: str = Field(
        "",
        description="Names that a request's `Host` may hold, separated by commas; another is "
        "refused, as a page whose name was made to lead here could otherwise read every answer. "
        "On a loopback address its own names always may; empty, on another address any may.",
    )
    data_dir: Path = Field(
        Path("standin-data"), description="Folder of the default database; made where missing."
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="SQLAlchemy URL, as `sqlite:////var/lib/standin/standin.db` or "
        "`postgresql+psycopg://user:password@host/name`. Empty: `standin.db` in `data_dir`.",
    )

    # -- model
    weights: Path | None = Field(
        None, description="Model card (`*.json`) to load. Empty: the weights that are shipped."
    )
    device: str = Field(
        "auto",
        description="`auto`, `cpu`, `cuda` or `cuda:1`. `auto` takes CUDA where there is one.",
    )
    engine: Literal["auto", "torch", "onnxruntime"] = Field(
        "auto",
        description="What computes the networks. `auto`: ONNX Runtime on the CPU, where the "
        "weights have a graph beside them, else torch.",
    )
    precision: Literal["auto", "float", "int8"] = Field(
        "auto",
        description="Of the encoder's numbers. `float`: single precision on the CPU, half on CUDA; "
        "`int8`: whole numbers of 8 bits, by ONNX Runtime, on processors with VNNI, in half the "
        "time; `auto`: `int8` where it can be had and `float` elsewhere.",
    )
    threads: int = Field(
        0,
        ge=0,
        description="On the CPU: processes that do all of a picture, or with "
        "`decode_in=threads` encoder passes at the same time; each takes one core. 0: "
        "`decode_threads` where that is set, else one for each core. CUDA takes one thread.",
    )
    decode_threads: int = Field(
        0,
        ge=0,
        description="Pictures decoded at the same time, where that is not done by who computes "
        "them: for CUDA, and with `decode_in=threads`. 0: one for each core.",
    )
    decode_in: Literal["processes", "threads"] = Field(
        "processes",
        description="Where pictures are decoded, and on the CPU computed: in `processes`, which "
        "share what they import and load, leave the interpreter to everything else, and cost a "
        "picture at most where one ends; or in `threads` of the service, which takes less memory "
        "and is slower under load.",
    )

    read_text: Literal["never", "explain", "scores"] = Field(
        "explain",
        description="Where the words in a picture are spelled out (`text`), which takes the extra "
        "`text` and longer than a score: `never`; `explain`: in explanations, null without the "
        "extra; `scores`: in scores, too, of pictures in which the reader found lettering. "
        "`scores` without the extra stops the start.",
    )

    # -- pictures and requests
    max_picture_bytes: int = Field(20 * MIB, ge=1, description="Bytes of one picture.")
    max_picture_pixels: int = Field(
        50_000_000, ge=1, description="Pixels of one picture, width times height as stored."
    )
    max_request_pictures: int = Field(
        256, ge=1, description="Pictures, or words of feedback, in one request."
    )
    max_request_bytes: int = Field(
        64 * MIB, ge=1024, description="Bytes of one request's body, base64 included."
    )
    max_bytes_in_flight: int = Field(
        512 * MIB,
        ge=1024,
        description="Bytes of all bodies held at the same time; a request above it is answered "
        "503 with Retry-After. At least `max_request_bytes`.",
    )
    body_timeout: float = Field(
        30.0, gt=0, description="Seconds without a byte after which a half-sent body is refused."
    )

    # -- scheduling
    queue_pictures: int = Field(
        2048,
        ge=1,
        description="Pictures waiting to be computed, over all requests; a request that would "
        "pass it is answered 503 with Retry-After. At least `max_request_pictures`.",
    )
    batch_pictures: int = Field(
        0, ge=0, description="Most pictures in one pass. 0: 16 on the CPU, 64 on CUDA."
    )
    batch_wait_ms: float = Field(
        -1.0,
        ge=-1,
        description="Milliseconds an unfilled batch waits for more. -1: 0 on the CPU, where a "
        "batch gains nothing, and 3 on CUDA.",
    )
    deadline: float = Field(
        120.0,
        gt=0,
        description="Seconds a request may compute before it is answered 503; one that would wait "
        "longer for its turn is answered so at once.",
    )
    cache_pictures: int = Field(
        20_000,
        ge=0,
        description="Embeddings remembered by the SHA-256 of the picture (about 4 KB each, 6 where "
        "they were also glanced at, "
        "and 1 KB for each category that asked), so that a picture seen again is not computed "
        "again.",
    )

    # -- learning
    quality_examples: int = Field(
        400,
        ge=0,
        description="Categories with more examples than this answer `quality: null`: "
        "leave-one-out takes one fit for each example.",
    )
    pseudo_labels_after_hours: float = Field(
        0.0,
        ge=0,
        lt=720,
        description="Hours after which a sure score that nobody gave feedback on becomes an "
        "example of its category, which the teacher's later words undo where it was wrong "
        "(docs/teacher.md). 0: never. Below 720, as scores are kept for 30 days.",
    )

    # -- stopping and telling
    shutdown_seconds: int = Field(
        30, ge=0, description="Seconds that running requests get to finish after SIGTERM."
    )
    log_level: str = Field(
        "info", pattern="^(critical|error|warning|info|debug)$", description="Least level logged."
    )

    @field_validator("weights", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if self.max_bytes_in_flight < self.max_request_bytes:
            raise ValueError(
                f"max_bytes_in_flight ({self.max_bytes_in_flight}) is below max_request_bytes "
                f"({self.max_request_bytes}): no large request could ever be taken"
            )
        if self.queue_pictures < self.max_request_pictures:
            raise ValueError(
                f"queue_pictures ({self.queue_pictures}) is below max_request_pictures "
                f"({self.max_request_pictures}): no large request could ever be taken"
            )
        if not self.is_loopback and not self.allow_unauthenticated:
            raise ValueError(
                f"no key is configured, so {self.host!r} is refused: whoever reaches that address "
                "could read and change everything. Listen on 127.0.0.1, or set "
                "STANDIN_ALLOW_UNAUTHENTICATED=true where something in front asks who is there"
            )
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach ``host``. A name other than localhost cannot tell."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL to open, with its password."""
        given = self.database_url.get_secret_value()
        return given or f"sqlite:///{(self.data_dir / 'standin.db').resolve()}"

    @property
    def trusted_hosts(self) -> frozenset[str] | None:
        """Names that ``Host`` may hold, in lower case; None for any."""
        given = frozenset(name.strip().lower() for name in self.hosts.split(",") if name.strip())
        if self.is_loopback:
            return given | LOOPBACK_NAMES
        return given or None


def read(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings from the environment, with ``given`` before them.

    Raises:
        SettingsError: an unknown ``STANDIN_`` variable, or values that cannot be served with.
    """
    environment = os.environ if environment is None else environment
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    problems = []
    values: dict[str, Any] = {}
    for variable, value in environment.items():
        if variable in known:
            values[variable.removeprefix(PREFIX).lower()] = value
        elif variable.startswith(PREFIX) and not variable.startswith(FOREIGN_PREFIXES):
            near = difflib.get_close_matches(variable, known, 1)
            problems.append(f"{variable} is no setting" + (f"; {near[0]} is" if near else ""))
    if problems:
        raise SettingsError("; ".join(sorted(problems)))
    try:
        return Settings(**(values | given))
    except ValidationError as error:
        raise SettingsError(_said(error)) from error


def _said(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{PREFIX}{name.upper()}: {message}" if name else message)
    return "; ".join(lines)


def as_markdown() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Read from the environment once, at start. A variable that begins with `STANDIN_` and is "
        "not in this table stops the start, so that a misspelt name is not silently ignored. "
        "`--host` and `--port` of `python -m service` come before the environment.",
        "",
        "| variable | default | what it does |",
        "| --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        lines.append(
            f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {field.description} |"
        )
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "":
        return "(empty)"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"
