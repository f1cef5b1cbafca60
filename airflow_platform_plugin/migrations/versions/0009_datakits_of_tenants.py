"""DataKits of tenants, withdrawn ones, and what their list searches."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from airflow_platform_plugin.core.db import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_datakit_name",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("tenant_id", sa.String(length=63), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["platform_tenant.tenant_id"], name="fk_platform_datakit_name_tenant_id"
        ),
        sa.PrimaryKeyConstraint("name", name="pk_platform_datakit_name"),
    )
    op.create_index("ix_platform_datakit_name_tenant_id", "platform_datakit_name", ["tenant_id"])
    with op.batch_alter_table("platform_datakit") as table:
        table.add_column(sa.Column("tenant_id", sa.String(length=63), nullable=True))
        table.add_column(sa.Column("description", sa.Text(), nullable=True))
        table.add_column(sa.Column("withdrawn_at", UtcDateTime(), nullable=True))
        table.add_column(sa.Column("withdrawn_reason", sa.String(length=1000), nullable=True))
        table.add_column(sa.Column("row_version", sa.Integer(), nullable=False, server_default="1"))
        table.create_foreign_key(
            "fk_platform_datakit_tenant_id", "platform_tenant", ["tenant_id"], ["tenant_id"]
        )
        table.create_index("ix_platform_datakit_tenant_id", ["tenant_id"])
    op.create_table(
        "platform_datakit_tag",
        sa.Column("datakit_id", sa.String(length=24), nullable=False),
        sa.Column(
            "tag",
            sa.String(length=100).with_variant(mysql.VARCHAR(100, collation="utf8mb4_bin"), "mysql"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["datakit_id"],
            ["platform_datakit.id"],
            name="fk_platform_datakit_tag_datakit_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("datakit_id", "tag", name="pk_platform_datakit_tag"),
    )
    op.create_index("ix_platform_datakit_tag_tag", "platform_datakit_tag", ["tag"])
    _fill()
    with op.batch_alter_table("platform_datakit") as table:
        table.alter_column("description", existing_type=sa.Text(), nullable=False)


def _fill() -> None:
    """Repeat the manifests of the kits that are there; all of them are for everybody."""
    kits = sa.table(
        "platform_datakit",
        sa.column("id", sa.String),
        sa.column("name", sa.String),
        sa.column("description", sa.Text),
        sa.column("manifest", sa.JSON),
    )
    names = sa.table("platform_datakit_name", sa.column("name", sa.String))
    tags = sa.table("platform_datakit_tag", sa.column("datakit_id", sa.String), sa.column("tag", sa.String))
    connection = op.get_bind()
    known = set()
    for kit in connection.execute(sa.select(kits.c.id, kits.c.name, kits.c.manifest)).fetchall():
        connection.execute(
            kits.update().where(kits.c.id == kit.id).values(description=kit.manifest["description"])
        )
        for tag in sorted(set(kit.manifest["tags"])):
            connection.execute(tags.insert().values(datakit_id=kit.id, tag=tag))
        if kit.name not in known:
            known.add(kit.name)
            connection.execute(names.insert().values(name=kit.name))


def downgrade() -> None:
    op.drop_table("platform_datakit_tag")
    with op.batch_alter_table("platform_datakit") as table:
        table.drop_constraint("fk_platform_datakit_tenant_id", type_="foreignkey")
        table.drop_index("ix_platform_datakit_tenant_id")
        table.drop_column("row_version")
        table.drop_column("withdrawn_reason")
        table.drop_column("withdrawn_at")
        table.drop_column("description")
        table.drop_column("tenant_id")
    op.drop_table("platform_datakit_name")
