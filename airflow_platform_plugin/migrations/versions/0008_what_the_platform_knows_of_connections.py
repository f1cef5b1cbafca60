"""What the platform knows of connections."""

import sqlalchemy as sa
from alembic import op

from airflow_platform_plugin.core.db import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_connection",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.String(length=63), nullable=True),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=True),
        sa.Column("created_by", sa.String(length=256), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.Column("last_tested_at", UtcDateTime(), nullable=True),
        sa.Column("last_test_status", sa.String(length=16), nullable=True),
        sa.Column("last_test_message", sa.String(length=500), nullable=True),
        sa.Column("last_test_latency_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_platform_connection"),
    )
    op.create_index("ix_platform_connection_tenant_id", "platform_connection", ["tenant_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_platform_connection_tenant_id", table_name="platform_connection")
    op.drop_table("platform_connection")
