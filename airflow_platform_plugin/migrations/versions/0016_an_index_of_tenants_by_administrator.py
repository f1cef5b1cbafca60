"""An index of tenants by the names of their administrators."""

import hashlib
from itertools import islice

import sqlalchemy as sa
from alembic import op
from sqlalchemy.engine import Connection

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_BATCH = 1000

_tenants = sa.table("platform_tenant", sa.column("tenant_id"), sa.column("admin_users", sa.JSON))
_names = sa.table("platform_tenant_admin_name", sa.column("name_hash"), sa.column("tenant_id"))


def upgrade() -> None:
    op.create_table(
        "platform_tenant_admin_name",
        sa.Column("name_hash", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=63), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["platform_tenant.tenant_id"],
            name="fk_platform_tenant_admin_name_tenant_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("name_hash", "tenant_id", name="pk_platform_tenant_admin_name"),
    )
    op.create_index("ix_platform_tenant_admin_name_tenant_id", "platform_tenant_admin_name", ["tenant_id"])
    fill(op.get_bind())


def fill(database: Connection) -> None:
    """Store the names that the tenants have."""
    rows = (
        {"name_hash": hashlib.sha256(name.encode()).hexdigest(), "tenant_id": tenant.tenant_id}
        for tenant in database.execute(sa.select(_tenants)).all()
        for name in {each.lower() for each in tenant.admin_users}
    )
    while batch := list(islice(rows, _BATCH)):
        database.execute(sa.insert(_names), batch)


def downgrade() -> None:
    op.drop_table("platform_tenant_admin_name")
