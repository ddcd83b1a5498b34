"""Scores by picture: what is known of one that comes again."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEX = "ix_scores_tenant_sha256_score_id"


def upgrade() -> None:
    """Add the index; it holds some 150 bytes a score."""
    op.create_index(op.f(INDEX), "scores", ["tenant", "sha256", "score_id"])


def downgrade() -> None:
    """Take it away."""
    op.drop_index(op.f(INDEX), "scores")
