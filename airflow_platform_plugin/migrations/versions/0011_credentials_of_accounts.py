"""Credentials belong to an account, not to its id alone, and remember what they were made with."""

from datetime import datetime, timedelta, timezone

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from airflow_platform_plugin.core.db import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A user who was made so long after a credential cannot have been its owner, whatever the server's time zone.
_CLOCKS_DIFFER = timedelta(hours=26)
_OWNED = ("platform_api_key", "platform_oauth_client", "platform_oauth_token", "platform_oauth_code")
_created_on = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")


def upgrade() -> None:
    for name in _OWNED:
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("user_name", sa.String(length=512), nullable=True))
            table.add_column(sa.Column("user_created_on", _created_on, nullable=True))
    with op.batch_alter_table("platform_api_key") as table:
        table.add_column(sa.Column("parent", sa.String(length=48), nullable=True))
        table.create_index("ix_platform_api_key_parent", ["parent"])
    with op.batch_alter_table("platform_oauth_client") as table:
        table.add_column(sa.Column("parent", sa.String(length=48), nullable=True))
        table.add_column(sa.Column("expires_at", UtcDateTime(), nullable=True))
    # Kept answers named their callers in another way, and some hold secrets. They are for a day at most.
    op.execute(sa.table("platform_idempotency_key").delete())
    with op.batch_alter_table("platform_idempotency_key") as table:
        table.add_column(sa.Column("caller", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("size", sa.Integer(), nullable=True))
        table.create_index("ix_platform_idempotency_key_caller_size", ["caller", "size"])
    _fill(op.get_bind())


def _fill(connection: sa.engine.Connection) -> None:
    """Bind what there is to the users that there are; what has no user, or too young a one, ends."""
    users = []
    if sa.inspect(connection).has_table("ab_user"):
        ab_user = sa.table(
            "ab_user", sa.column("id"), sa.column("username"), sa.column("created_on", sa.DateTime)
        )
        users = connection.execute(
            sa.select(ab_user.c.id, ab_user.c.username, ab_user.c.created_on).select_from(ab_user)
        ).all()
    # A code lives for a minute: the client asks for a new one.
    connection.execute(sa.table("platform_oauth_code").delete())
    for name in ("platform_api_key", "platform_oauth_client", "platform_oauth_token"):
        rows = sa.table(
            name,
            sa.column("user_id"),
            sa.column("user_name"),
            sa.column("user_created_on", _created_on),
            sa.column("created_at", UtcDateTime()),
        )
        held = set(connection.scalars(sa.select(rows.c.user_id).distinct()))
        for user in users:
            if user.id not in held:
                continue
            own = rows.update().where(rows.c.user_id == user.id)
            if user.created_on is not None:
                made = user.created_on.replace(tzinfo=timezone.utc)
                own = own.where(rows.c.created_at > made - _CLOCKS_DIFFER)
            connection.execute(own.values(user_name=user.username, user_created_on=user.created_on))
    keys = sa.table("platform_api_key", sa.column("user_name"), sa.column("revoked_at", UtcDateTime()))
    ownerless = sa.and_(keys.c.user_name.is_(None), keys.c.revoked_at.is_(None))
    connection.execute(keys.update().where(ownerless).values(revoked_at=datetime.now(tz=timezone.utc)))
    tokens = sa.table("platform_oauth_token", sa.column("user_name"))
    connection.execute(tokens.delete().where(tokens.c.user_name.is_(None)))
    clients = sa.table("platform_oauth_client", sa.column("user_name"), sa.column("user_id"))
    connection.execute(clients.update().where(clients.c.user_name.is_(None)).values(user_id=None))


def downgrade() -> None:
    with op.batch_alter_table("platform_idempotency_key") as table:
        table.drop_index("ix_platform_idempotency_key_caller_size")
        table.drop_column("size")
        table.drop_column("caller")
    with op.batch_alter_table("platform_oauth_client") as table:
        table.drop_column("expires_at")
        table.drop_column("parent")
    with op.batch_alter_table("platform_api_key") as table:
        table.drop_index("ix_platform_api_key_parent")
        table.drop_column("parent")
    for name in _OWNED:
        with op.batch_alter_table(name) as table:
            table.drop_column("user_created_on")
            table.drop_column("user_name")
