"""Limits, rotation and use of API keys."""

import sqlalchemy as sa
from alembic import op

from airflow_platform_plugin.core.db import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("platform_api_key", sa.Column("tenant_id", sa.String(length=63), nullable=True))
    op.add_column("platform_api_key", sa.Column("scopes", sa.JSON(), nullable=True))
    op.add_column("platform_api_key", sa.Column("allowed_dags", sa.JSON(), nullable=True))
    op.add_column("platform_api_key", sa.Column("allowed_networks", sa.JSON(), nullable=True))
    op.add_column("platform_api_key", sa.Column("previous_secret_hash", sa.String(length=64), nullable=True))
    op.add_column("platform_api_key", sa.Column("previous_expires_at", UtcDateTime(), nullable=True))
    op.add_column("platform_api_key", sa.Column("created_by", sa.String(length=256), nullable=True))
    op.add_column("platform_api_key", sa.Column("expires_at", UtcDateTime(), nullable=True))
    op.add_column("platform_api_key", sa.Column("last_used_at", UtcDateTime(), nullable=True))
    op.create_index(op.f("ix_platform_api_key_tenant_id"), "platform_api_key", ["tenant_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_platform_api_key_tenant_id"), table_name="platform_api_key")
    op.drop_column("platform_api_key", "last_used_at")
    op.drop_column("platform_api_key", "expires_at")
    op.drop_column("platform_api_key", "created_by")
    op.drop_column("platform_api_key", "previous_expires_at")
    op.drop_column("platform_api_key", "previous_secret_hash")
    op.drop_column("platform_api_key", "allowed_networks")
    op.drop_column("platform_api_key", "allowed_dags")
    op.drop_column("platform_api_key", "scopes")
    op.drop_column("platform_api_key", "tenant_id")
