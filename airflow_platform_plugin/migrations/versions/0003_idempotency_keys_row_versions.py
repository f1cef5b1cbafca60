"""Idempotency keys, row versions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from airflow_platform_plugin.core.db import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_idempotency_key",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("request", sa.String(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("encrypted_answer", sa.Text().with_variant(mysql.LONGTEXT(), "mysql"), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_platform_idempotency_key"),
    )
    op.create_index(
        "ix_platform_idempotency_key_created_at", "platform_idempotency_key", ["created_at"], unique=False
    )
    op.add_column(
        "platform_tenant", sa.Column("row_version", sa.Integer(), nullable=False, server_default="1")
    )
    op.add_column(
        "platform_webhook", sa.Column("row_version", sa.Integer(), nullable=False, server_default="1")
    )


def downgrade() -> None:
    op.drop_column("platform_webhook", "row_version")
    op.drop_column("platform_tenant", "row_version")
    op.drop_index("ix_platform_idempotency_key_created_at", table_name="platform_idempotency_key")
    op.drop_table("platform_idempotency_key")
