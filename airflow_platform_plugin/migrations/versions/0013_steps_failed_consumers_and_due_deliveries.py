"""The worker's steps, events that a consumer failed with, and deliveries that are claimed by webhook."""

import sqlalchemy as sa
from alembic import op

from airflow_platform_plugin.core.db import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_step",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("failed_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_platform_step"),
    )
    op.create_table(
        "platform_failed_consumption",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("consumer", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("failed_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["platform_event.id"],
            name="fk_platform_failed_consumption_event_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("event_id", "consumer", name="pk_platform_failed_consumption"),
    )
    op.create_index("ix_platform_failed_consumption_due_at", "platform_failed_consumption", ["due_at"])
    op.create_index(
        "ix_platform_webhook_delivery_webhook_id_due_at",
        "platform_webhook_delivery",
        ["webhook_id", "due_at"],
    )


def downgrade() -> None:
    # MySQL wants an index for the foreign key, and has given up its own for this one.
    with op.batch_alter_table("platform_webhook_delivery") as table:
        if op.get_bind().dialect.name == "mysql":
            table.create_index("webhook_id", ["webhook_id"])
        table.drop_index("ix_platform_webhook_delivery_webhook_id_due_at")
    op.drop_index("ix_platform_failed_consumption_due_at", table_name="platform_failed_consumption")
    op.drop_table("platform_failed_consumption")
    op.drop_table("platform_step")
