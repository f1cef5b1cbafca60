"""Deployments' grants of shared connections name the connection's row, and not only its name.

Of what a revision keeps, ``shared_connections`` was a list of names and is now an object of ids by name. A
name that no connection has now, or a tenant's, is granted no more.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_REVISIONS = sa.table(
    "platform_deployment_revision",
    sa.column("deployment_id", sa.String),
    sa.column("number", sa.Integer),
    sa.column("spec", sa.JSON),
)
_CONNECTIONS = sa.table("connection", sa.column("id", sa.Integer), sa.column("conn_id", sa.String))
_OWNED = sa.table("platform_connection", sa.column("id", sa.Integer), sa.column("tenant_id", sa.String))


def upgrade() -> None:
    database = op.get_bind()
    ids = {}
    if sa.inspect(database).has_table("connection"):
        owned = sa.select(_OWNED.c.id).where(_OWNED.c.tenant_id.is_not(None))
        shared = sa.select(_CONNECTIONS.c.conn_id, _CONNECTIONS.c.id).where(_CONNECTIONS.c.id.not_in(owned))
        ids = dict(map(tuple, database.execute(shared)))

    def bound(spec: dict[str, Any]) -> dict[str, Any] | None:
        names = spec.get("shared_connections")
        return (
            spec | {"shared_connections": {name: ids[name] for name in names if name in ids}}
            if isinstance(names, list) and names
            else None
        )

    _rewrite(bound)


def downgrade() -> None:
    def unbound(spec: dict[str, Any]) -> dict[str, Any] | None:
        kept = {name: value for name, value in spec.items() if name != "chosen"}
        unbound = kept | {"shared_connections": sorted(spec.get("shared_connections") or [])}
        return unbound if unbound != spec else None

    _rewrite(unbound)


def _rewrite(change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Replace the specs for which ``change`` returns a new one."""
    database = op.get_bind()
    columns = (_REVISIONS.c.deployment_id, _REVISIONS.c.number, _REVISIONS.c.spec)
    for deployment_id, number, spec in database.execute(sa.select(*columns)).all():
        if (changed := change(spec)) is not None:
            database.execute(
                _REVISIONS.update()
                .where(_REVISIONS.c.deployment_id == deployment_id, _REVISIONS.c.number == number)
                .values(spec=changed)
            )
