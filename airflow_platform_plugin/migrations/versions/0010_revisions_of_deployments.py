"""Deployments' revisions with reason, diff and secrets; retired and paused ones; mails to be sent."""

import sqlalchemy as sa
from alembic import op

from airflow_platform_plugin.core.db import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_deployment_mail",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("deployment_id", sa.String(length=24), nullable=False),
        sa.Column("addresses", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_platform_deployment_mail"),
    )
    op.create_index("ix_platform_deployment_mail_due_at", "platform_deployment_mail", ["due_at"])
    with op.batch_alter_table("platform_deployment") as table:
        table.add_column(sa.Column("paused", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("retired_at", UtcDateTime(), nullable=True))
        table.add_column(sa.Column("bad_versions", sa.JSON(), nullable=True))
        table.add_column(sa.Column("rollback_from", sa.Integer(), nullable=True))
        table.add_column(sa.Column("loaded_revision", sa.Integer(), nullable=True))
        table.add_column(sa.Column("loaded_at", UtcDateTime(), nullable=True))
        table.add_column(sa.Column("import_error", sa.Text(), nullable=True))
        table.create_index("ix_platform_deployment_rollback_from", ["rollback_from"])
    with op.batch_alter_table("platform_deployment_revision") as table:
        table.add_column(sa.Column("encrypted_secrets", sa.Text(), nullable=True))
        table.add_column(sa.Column("auto_rollback_after", sa.Integer(), nullable=True))
        table.add_column(sa.Column("action", sa.String(length=16), nullable=False, server_default="deploy"))
        table.add_column(sa.Column("source", sa.Integer(), nullable=True))
        table.add_column(sa.Column("reason", sa.String(length=1000), nullable=True))
        table.add_column(sa.Column("diff", sa.JSON(), nullable=True))
        table.add_column(sa.Column("image_digest", sa.String(length=255), nullable=True))
    # MySQL gives a JSON column no default.
    for name, column in (("platform_deployment", "bad_versions"), ("platform_deployment_revision", "diff")):
        rows = sa.table(name, sa.column(column, sa.JSON))
        op.execute(rows.update().values({column: []}))
        with op.batch_alter_table(name) as table:
            table.alter_column(column, existing_type=sa.JSON(), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("platform_deployment_revision") as table:
        for column in (
            "image_digest", "diff", "reason", "source", "action", "auto_rollback_after", "encrypted_secrets",
        ):  # fmt: skip
            table.drop_column(column)
    with op.batch_alter_table("platform_deployment") as table:
        table.drop_index("ix_platform_deployment_rollback_from")
        for column in (
            "import_error", "loaded_at", "loaded_revision", "rollback_from", "bad_versions", "retired_at",
            "paused",
        ):  # fmt: skip
            table.drop_column(column)
    op.drop_table("platform_deployment_mail")
