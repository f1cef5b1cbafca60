"""Webhooks of tenants."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("platform_webhook", sa.Column("tenant_id", sa.String(length=63), nullable=True))
    op.create_index("ix_platform_webhook_tenant_id", "platform_webhook", ["tenant_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_platform_webhook_tenant_id", table_name="platform_webhook")
    op.drop_column("platform_webhook", "tenant_id")
