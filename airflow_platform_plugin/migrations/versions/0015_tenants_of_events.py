"""Events know their tenant."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("platform_event", sa.Column("tenant_id", sa.String(length=63), nullable=True))


def downgrade() -> None:
    op.drop_column("platform_event", "tenant_id")
