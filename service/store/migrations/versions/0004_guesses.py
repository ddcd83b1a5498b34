"""Examples that a category labelled itself, and what they have cost it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CAUSE = "ck_versions_cause"


def upgrade() -> None:
    """Add the columns and the two causes; nothing that is there is a guess."""
    op.add_column(
        "memberships",
        sa.Column("guess", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("versions", sa.Column("guess_loss", sa.Float(53), nullable=True))
    _allow("'examples', 'feedback', 'rollback', 'guesses', 'guard'")


def downgrade() -> None:
    """Take them away. Guesses stay as examples like any other: remove them before."""
    op.execute("UPDATE versions SET cause = 'examples' WHERE cause IN ('guesses', 'guard')")
    _allow("'examples', 'feedback', 'rollback'")
    op.drop_column("versions", "guess_loss")
    op.drop_column("memberships", "guess")


def _allow(causes: str) -> None:
    """SQLite copies the table for this."""
    with op.batch_alter_table("versions") as batch:
        batch.drop_constraint(op.f(CAUSE), type_="check")
        batch.create_check_constraint(op.f(CAUSE), f"cause IN ({causes})")
