"""The first tables."""

import sqlalchemy as sa
from alembic import op

from airflow_platform_plugin.core.db import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_api_key",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_platform_api_key"),
    )
    op.create_index("ix_platform_api_key_user_id", "platform_api_key", ["user_id"])
    op.create_table(
        "platform_cursor",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_platform_cursor"),
    )
    op.create_table(
        "platform_datakit",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_platform_datakit"),
        sa.UniqueConstraint("name", "version", name="uq_platform_datakit_name_version"),
    )
    op.create_table(
        "platform_event",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("fanned_out_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_platform_event"),
    )
    op.create_index(
        "ix_platform_event_fanned_out_at_occurred_at", "platform_event", ["fanned_out_at", "occurred_at"]
    )
    op.create_index("ix_platform_event_occurred_at", "platform_event", ["occurred_at"])
    op.create_table(
        "platform_loader_file",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("fileloc", sa.String(length=2000), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_platform_loader_file"),
    )
    op.create_table(
        "platform_observed_run",
        sa.Column("dag_run_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("dag_run_id", name="pk_platform_observed_run"),
    )
    op.create_table(
        "platform_tenant",
        sa.Column("tenant_id", sa.String(length=63), nullable=False),
        sa.Column("display_name", sa.String(length=256), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("resource_limits", sa.JSON(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("admin_users", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_platform_tenant"),
        sa.UniqueConstraint("namespace", name="uq_platform_tenant_namespace"),
    )
    op.create_table(
        "platform_webhook",
        sa.Column("webhook_id", sa.String(length=24), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("retry_policy", sa.JSON(), nullable=False),
        sa.Column("encrypted_headers", sa.Text(), nullable=False),
        sa.Column("encrypted_secret", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=256), nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", name="pk_platform_webhook"),
    )
    op.create_table(
        "platform_deployment",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("datakit", sa.String(length=63), nullable=False),
        sa.Column("environment", sa.String(length=63), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("tenant_id", sa.String(length=63), nullable=True),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["platform_tenant.tenant_id"], name="fk_platform_deployment_tenant_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_platform_deployment"),
        sa.UniqueConstraint("dag_id", name="uq_platform_deployment_dag_id"),
        sa.UniqueConstraint(
            "datakit", "environment", "namespace", name="uq_platform_deployment_datakit_environment_namespace"
        ),
    )
    op.create_index("ix_platform_deployment_tenant_id", "platform_deployment", ["tenant_id"])
    op.create_table(
        "platform_webhook_delivery",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("webhook_id", sa.String(length=24), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["platform_event.id"],
            name="fk_platform_webhook_delivery_event_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["platform_webhook.webhook_id"],
            name="fk_platform_webhook_delivery_webhook_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_platform_webhook_delivery"),
        sa.UniqueConstraint(
            "event_id", "webhook_id", name="uq_platform_webhook_delivery_event_id_webhook_id"
        ),
    )
    op.create_index("ix_platform_webhook_delivery_due_at", "platform_webhook_delivery", ["due_at"])
    op.create_table(
        "platform_deployment_revision",
        sa.Column("deployment_id", sa.String(length=24), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("notifications", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["platform_deployment.id"],
            name="fk_platform_deployment_revision_deployment_id",
        ),
        sa.PrimaryKeyConstraint("deployment_id", "number", name="pk_platform_deployment_revision"),
    )


def downgrade() -> None:
    # Indexes go with their tables; MySQL drops none by itself that a foreign key needs.
    op.drop_table("platform_deployment_revision")
    op.drop_table("platform_webhook_delivery")
    op.drop_table("platform_deployment")
    op.drop_table("platform_webhook")
    op.drop_table("platform_tenant")
    op.drop_table("platform_observed_run")
    op.drop_table("platform_loader_file")
    op.drop_table("platform_event")
    op.drop_table("platform_datakit")
    op.drop_table("platform_cursor")
    op.drop_table("platform_api_key")
