"""Rate limits of keys and tenants."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("platform_api_key", sa.Column("rate_limits", sa.JSON(), nullable=True))
    op.add_column("platform_tenant", sa.Column("rate_limits", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("platform_tenant", "rate_limits")
    op.drop_column("platform_api_key", "rate_limits")
