"""What feedback needs: where examples came from, what experts saw and said, online weights."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def plain(length: int) -> sa.String:
    """Text compared byte by byte."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def added() -> dict[str, list[sa.Column[object]]]:
    """New columns by table: they can be added to a table in place, on both databases."""
    return {
        "versions": [sa.Column("online", sa.LargeBinary(), nullable=True)],
        "examples": [
            sa.Column("signals", sa.LargeBinary(), nullable=True),
            sa.Column("origin", plain(16), server_default=sa.text("'upload'"), nullable=False),
        ],
        "scores": [
            sa.Column("model_sha256", plain(64), nullable=True),
            sa.Column("width", sa.Integer(), nullable=True),
            sa.Column("height", sa.Integer(), nullable=True),
            sa.Column("format", plain(16), nullable=True),
            sa.Column("category_id", plain(32), nullable=True),
            sa.Column("signals", sa.LargeBinary(), nullable=True),
            sa.Column("answers", sa.LargeBinary(), nullable=True),
        ],
    }


def upgrade() -> None:
    """Add the columns; what is there already has been uploaded, and has nothing in them."""
    for table, columns in added().items():
        for column in columns:
            op.add_column(table, column)


def downgrade() -> None:
    """Drop them. Examples that came from feedback stay, without a thumbnail."""
    for table, columns in added().items():
        for column in reversed(columns):
            op.drop_column(table, column.name)
