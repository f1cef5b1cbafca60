"""Backfills."""

import sqlalchemy as sa
from alembic import op

from airflow_platform_plugin.core.db import StringID, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_backfill",
        sa.Column("backfill_id", sa.String(length=24), nullable=False),
        sa.Column("dag_id", StringID(), nullable=False),
        sa.Column("start_date", UtcDateTime(), nullable=False),
        sa.Column("end_date", UtcDateTime(), nullable=False),
        sa.Column("conf", sa.JSON(), nullable=False),
        sa.Column("max_active_runs", sa.Integer(), nullable=False),
        sa.Column("reprocess", sa.String(length=10), nullable=False),
        sa.Column("run_backwards", sa.Boolean(), nullable=False),
        sa.Column("in_order", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("message", sa.String(length=1000), nullable=True),
        sa.Column("anchors", sa.JSON(), nullable=False),
        sa.Column("position", UtcDateTime(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("total_is_estimate", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("cleared", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("success", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=256), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("backfill_id", name="pk_platform_backfill"),
    )
    op.create_index(
        "ix_platform_backfill_dag_id_created_at", "platform_backfill", ["dag_id", "created_at"], unique=False
    )
    op.create_index("ix_platform_backfill_running", "platform_backfill", ["running"], unique=False)
    op.create_index("ix_platform_backfill_state", "platform_backfill", ["state"], unique=False)
    op.create_table(
        "platform_backfill_run",
        sa.Column("backfill_id", sa.String(length=24), nullable=False),
        sa.Column("run_id", StringID(), nullable=False),
        sa.ForeignKeyConstraint(
            ["backfill_id"],
            ["platform_backfill.backfill_id"],
            name="fk_platform_backfill_run_backfill_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("backfill_id", "run_id", name="pk_platform_backfill_run"),
    )


def downgrade() -> None:
    op.drop_table("platform_backfill_run")
    op.drop_index("ix_platform_backfill_state", table_name="platform_backfill")
    op.drop_index("ix_platform_backfill_running", table_name="platform_backfill")
    op.drop_index("ix_platform_backfill_dag_id_created_at", table_name="platform_backfill")
    op.drop_table("platform_backfill")
