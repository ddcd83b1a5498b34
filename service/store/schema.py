"""The tables. The migrations make them; a test compares the two.

Every table carries its tenant. A category is only ever found by (tenant, name), and what belongs to
it only through the category found; purging and monitoring alone look across tenants.

An example's identity is (tenant, category, SHA-256 of the bytes). What it was labelled, and when,
stands in ``memberships``: one row for each interval of versions in which the example was in the
set with one label. The set at version v is every row with since_version <= v and v <
until_version, an open interval having no end. So the set of every version can be read back, a
rollback copies nothing but intervals, and an upload after it builds on the restored set.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from service.store.errors import InvalidRecord


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, always UTC; SQLite, which knows no zones, is given the naive UTC time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: whose clock it was cannot be told."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time to be stored needs its zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class PlainText(TypeDecorator[str]):
    """Text that both databases keep, measure and sort alike.

    PostgreSQL sorts by locale unless told otherwise, refuses NUL, and holds a length that SQLite
    ignores; so the order is byte by byte and the limits are checked here, for both.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Collation C is PostgreSQL's name for what SQLite does by itself."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(String(self.length, collation="C"))
        return dialect.type_descriptor(String(self.length))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse what one of the databases would refuse."""
        if value is None:
            return None
        if len(value) > self.length:
            raise InvalidRecord(f"text of {len(value)} characters; at most {self.length} fit")
        if "\x00" in value:
            raise InvalidRecord("text with a NUL character cannot be stored")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidRecord(f"text that is not Unicode cannot be stored: {error}") from error
        return value


class Base(DeclarativeBase):
    """Names every constraint by rule, so that migrations can name them on both databases."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 -- SQLAlchemy reads it from the class
        datetime: UtcDateTime,
        bytes: LargeBinary,
        dict[str, Any]: JSON(none_as_null=True),
    }


TENANT = PlainText(100)
ID = PlainText(32)
SHA256 = PlainText(64)


class CategoryRow(Base):
    """A category and the pointer to its active version, which is always its newest."""

    __tablename__ = "categories"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    # Never given twice, unlike a row number: an ETag of a deleted category must stay stale.
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    tenant: Mapped[str] = mapped_column(TENANT)
    name: Mapped[str] = mapped_column(PlainText(100))
    title: Mapped[str | None] = mapped_column(PlainText(2000))
    threshold: Mapped[float | None] = mapped_column(Float(53))
    unsure_band: Mapped[float | None] = mapped_column(Float(53))
    version: Mapped[int] = mapped_column(Integer)
    placeholder_count: Mapped[int] = mapped_column(Integer)
    real_count: Mapped[int] = mapped_column(Integer)
    created: Mapped[datetime]
    updated: Mapped[datetime]


class VersionRow(Base):
    """One entry of a category's history; version 0 is the base model and has no row."""

    __tablename__ = "versions"
    __table_args__ = (
        CheckConstraint(
            "cause IN ('examples', 'feedback', 'rollback', 'guesses', 'guard')", name="cause"
        ),
        CheckConstraint("number >= 1", name="number"),
    )

    category_id: Mapped[str] = mapped_column(
        ID, ForeignKey("categories.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    tenant: Mapped[str] = mapped_column(TENANT)
    created: Mapped[datetime]
    cause: Mapped[str] = mapped_column(PlainText(16))
    source_version: Mapped[int | None] = mapped_column(Integer)
    placeholder_count: Mapped[int] = mapped_column(Integer)
    real_count: Mapped[int] = mapped_column(Integer)
    learner: Mapped[str | None] = mapped_column(PlainText(100))
    model_sha256: Mapped[str | None] = mapped_column(SHA256)
    quality: Mapped[dict[str, Any] | None]
    state: Mapped[bytes | None]
    online: Mapped[bytes | None]
    guess_loss: Mapped[float | None] = mapped_column(Float(53))


class ExampleRow(Base):
    """One picture that was ever an example of a category, with its embedding (float32, LE)."""

    __tablename__ = "examples"
    __table_args__ = (UniqueConstraint("category_id", "sha256"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    tenant: Mapped[str] = mapped_column(TENANT)
    category_id: Mapped[str] = mapped_column(ID, ForeignKey("categories.id", ondelete="CASCADE"))
    sha256: Mapped[str] = mapped_column(SHA256)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    format: Mapped[str] = mapped_column(PlainText(16))
    created: Mapped[datetime]
    model_sha256: Mapped[str] = mapped_column(SHA256)
    embedding: Mapped[bytes]
    signals: Mapped[bytes | None]
    origin: Mapped[str] = mapped_column(PlainText(16), server_default=text("'upload'"))


class MembershipRow(Base):
    """From ``since_version`` up to, not including, ``until_version`` the example had ``label``.

    ``guess``: which the category gave it, and not yet its teacher.
    """

    __tablename__ = "memberships"
    __table_args__ = (
        CheckConstraint("label IN ('placeholder', 'real')", name="label"),
        CheckConstraint("until_version > since_version", name="interval"),
        # At most one open interval an example; also the way to the active set.
        Index(
            "ux_memberships_open",
            "category_id",
            "example_id",
            unique=True,
            sqlite_where=text("until_version IS NULL"),
            postgresql_where=text("until_version IS NULL"),
        ),
        Index(None, "category_id", "since_version"),
    )

    example_id: Mapped[str] = mapped_column(
        ID, ForeignKey("examples.id", ondelete="CASCADE"), primary_key=True
    )
    since_version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    until_version: Mapped[int | None] = mapped_column(Integer)
    tenant: Mapped[str] = mapped_column(TENANT)
    category_id: Mapped[str] = mapped_column(ID, ForeignKey("categories.id", ondelete="CASCADE"))
    label: Mapped[str] = mapped_column(PlainText(16))
    guess: Mapped[bool] = mapped_column(Boolean, server_default=false())


class ThumbnailRow(Base):
    """A small WebP of an example, apart so that reading embeddings does not read pictures.

    An example that came from feedback on a score has none.
    """

    __tablename__ = "thumbnails"

    example_id: Mapped[str] = mapped_column(
        ID, ForeignKey("examples.id", ondelete="CASCADE"), primary_key=True
    )
    tenant: Mapped[str] = mapped_column(TENANT)
    webp: Mapped[bytes]


class ScoreRecordRow(Base):
    """One score given, until its retention ends. No foreign key: any name can be scored."""

    __tablename__ = "scores"
    __table_args__ = (Index(None, "created"), Index(None, "tenant", "sha256", "score_id"))

    tenant: Mapped[str] = mapped_column(TENANT, primary_key=True)
    score_id: Mapped[str] = mapped_column(PlainText(64), primary_key=True)
    category: Mapped[str] = mapped_column(PlainText(100))
    version: Mapped[int] = mapped_column(Integer)
    probability: Mapped[float] = mapped_column(Float(53))
    decision: Mapped[str] = mapped_column(PlainText(16))
    sha256: Mapped[str] = mapped_column(SHA256)
    embedding: Mapped[bytes]
    created: Mapped[datetime]
    model_sha256: Mapped[str | None] = mapped_column(SHA256)
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    format: Mapped[str | None] = mapped_column(PlainText(16))
    category_id: Mapped[str | None] = mapped_column(ID)
    signals: Mapped[bytes | None]
    answers: Mapped[bytes | None]


class IdempotencyRow(Base):
    """An idempotency key: in flight while ``status`` is NULL, then its answer until it expires."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "expires"),)

    tenant: Mapped[str] = mapped_column(TENANT, primary_key=True)
    operation: Mapped[str] = mapped_column(PlainText(300), primary_key=True)
    key: Mapped[str] = mapped_column(PlainText(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(PlainText(128))
    owner: Mapped[str] = mapped_column(ID)
    lease_until: Mapped[datetime]
    expires: Mapped[datetime]
    created: Mapped[datetime]
    status: Mapped[int | None] = mapped_column(Integer)
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None]
