"""Categories, their examples and their history."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def plain(length: int) -> sa.String:
    """Text compared byte by byte."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "categories",
        sa.Column("id", plain(32), nullable=False),
        sa.Column("tenant", plain(100), nullable=False),
        sa.Column("name", plain(100), nullable=False),
        sa.Column("title", plain(2000), nullable=True),
        sa.Column("threshold", sa.Float(53), nullable=True),
        sa.Column("unsure_band", sa.Float(53), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("placeholder_count", sa.Integer(), nullable=False),
        sa.Column("real_count", sa.Integer(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("updated", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
        sa.UniqueConstraint("tenant", "name", name=op.f("uq_categories_tenant_name")),
    )
    op.create_table(
        "versions",
        sa.Column("category_id", plain(32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", plain(100), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("cause", plain(16), nullable=False),
        sa.Column("source_version", sa.Integer(), nullable=True),
        sa.Column("placeholder_count", sa.Integer(), nullable=False),
        sa.Column("real_count", sa.Integer(), nullable=False),
        sa.Column("learner", plain(100), nullable=True),
        sa.Column("model_sha256", plain(64), nullable=True),
        sa.Column("quality", sa.JSON(), nullable=True),
        sa.Column("state", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "cause IN ('examples', 'feedback', 'rollback')", name=op.f("ck_versions_cause")
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_versions_number")),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["categories.id"],
            name=op.f("fk_versions_category_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("category_id", "number", name=op.f("pk_versions")),
    )
    op.create_table(
        "examples",
        sa.Column("id", plain(32), nullable=False),
        sa.Column("tenant", plain(100), nullable=False),
        sa.Column("category_id", plain(32), nullable=False),
        sa.Column("sha256", plain(64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("format", plain(16), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("model_sha256", plain(64), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["categories.id"],
            name=op.f("fk_examples_category_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_examples")),
        sa.UniqueConstraint("category_id", "sha256", name=op.f("uq_examples_category_id_sha256")),
    )
    op.create_table(
        "memberships",
        sa.Column("example_id", plain(32), nullable=False),
        sa.Column("since_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until_version", sa.Integer(), nullable=True),
        sa.Column("tenant", plain(100), nullable=False),
        sa.Column("category_id", plain(32), nullable=False),
        sa.Column("label", plain(16), nullable=False),
        sa.CheckConstraint("label IN ('placeholder', 'real')", name=op.f("ck_memberships_label")),
        sa.CheckConstraint("until_version > since_version", name=op.f("ck_memberships_interval")),
        sa.ForeignKeyConstraint(
            ["category_id"],
            ["categories.id"],
            name=op.f("fk_memberships_category_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["example_id"],
            ["examples.id"],
            name=op.f("fk_memberships_example_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("example_id", "since_version", name=op.f("pk_memberships")),
    )
    op.create_index(
        "ux_memberships_open",
        "memberships",
        ["category_id", "example_id"],
        unique=True,
        sqlite_where=sa.text("until_version IS NULL"),
        postgresql_where=sa.text("until_version IS NULL"),
    )
    op.create_index(
        op.f("ix_memberships_category_id_since_version"),
        "memberships",
        ["category_id", "since_version"],
    )
    op.create_table(
        "thumbnails",
        sa.Column("example_id", plain(32), nullable=False),
        sa.Column("tenant", plain(100), nullable=False),
        sa.Column("webp", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["example_id"],
            ["examples.id"],
            name=op.f("fk_thumbnails_example_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("example_id", name=op.f("pk_thumbnails")),
    )


def downgrade() -> None:
    """Back to an empty database."""
    for table in ("thumbnails", "memberships", "examples", "versions", "categories"):
        op.drop_table(table)
