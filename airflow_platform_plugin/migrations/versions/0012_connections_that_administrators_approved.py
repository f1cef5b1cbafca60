"""Connections that are known by name as well as by id, and those that an administrator has approved."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_OWN = sa.table("platform_connection", sa.column("id", sa.Integer), sa.column("connection_id", sa.String))
_AIRFLOWS = sa.table("connection", sa.column("id", sa.Integer), sa.column("conn_id", sa.String))


def upgrade() -> None:
    with op.batch_alter_table("platform_connection") as table:
        table.add_column(sa.Column("approved", sa.Boolean(), nullable=True))
        table.add_column(sa.Column("connection_id", sa.String(length=250), nullable=True))
    if sa.inspect(op.get_bind()).has_table("connection"):
        name = sa.select(_AIRFLOWS.c.conn_id).where(_AIRFLOWS.c.id == _OWN.c.id).scalar_subquery()
        op.execute(_OWN.update().values(connection_id=name))
    op.execute(_OWN.delete().where(_OWN.c.connection_id.is_(None)))
    with op.batch_alter_table("platform_connection") as table:
        table.alter_column("connection_id", existing_type=sa.String(length=250), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("platform_connection") as table:
        table.drop_column("connection_id")
        table.drop_column("approved")
