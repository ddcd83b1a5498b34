"""Scores, kept for the teacher's word, and idempotency keys."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def plain(length: int) -> sa.String:
    """Text compared byte by byte."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "scores",
        sa.Column("tenant", plain(100), nullable=False),
        sa.Column("score_id", plain(64), nullable=False),
        sa.Column("category", plain(100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("probability", sa.Float(53), nullable=False),
        sa.Column("decision", plain(16), nullable=False),
        sa.Column("sha256", plain(64), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "score_id", name=op.f("pk_scores")),
    )
    op.create_index(op.f("ix_scores_created"), "scores", ["created"])
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant", plain(100), nullable=False),
        sa.Column("operation", plain(300), nullable=False),
        sa.Column("key", plain(255), nullable=False),
        sa.Column("fingerprint", plain(128), nullable=False),
        sa.Column("owner", plain(32), nullable=False),
        sa.Column("lease_until", TIME, nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "operation", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_expires"), "idempotency_keys", ["expires"])


def downgrade() -> None:
    """Drop them; scores and keys are lost, categories are not."""
    op.drop_table("idempotency_keys")
    op.drop_table("scores")
