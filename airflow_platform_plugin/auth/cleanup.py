"""Revoke or rename credentials when Airflow deletes or renames their user.

Security does not depend on this: each use of a credential compares its account with the user, so it also ends
for a user that was deleted with SQL. These hooks keep the lists correct, and let a renamed user keep its
credentials.
"""

import logging
from collections.abc import Iterable

from sqlalchemy import and_, delete, event, inspect, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.types import User
from airflow_platform_plugin.auth.models import API_KEY, TOKEN, ApiKey
from airflow_platform_plugin.auth.oauth.models import AuthorizationCode, Client, Token
from airflow_platform_plugin.core import db

log = logging.getLogger(__name__)

_BATCH = 500


def install() -> None:
    """Listen to deletions and updates of users in this process; each runs in the same transaction."""
    user = airflow_compat.users.user_model()
    for name, listener in (("after_delete", _end_credentials), ("after_update", _rename_owner)):
        if not event.contains(user, name, listener):
            event.listen(user, name, listener)


def _end_credentials(_mapper: object, database: Connection, user: User) -> None:
    try:
        # In a SAVEPOINT: a failure here must not undo Airflow's own change.
        with database.begin_nested():
            _end(database, user.id)
    except SQLAlchemyError:
        log.exception("The credentials of the deleted user %s stay listed; they are not valid", user.id)


def _end(database: Connection, user_id: int) -> None:
    """Revoke a user's keys and their descendants, delete the tokens, and let no client act as the user."""
    key, token, code, client = (model.__table__ for model in (ApiKey, Token, AuthorizationCode, Client))
    key_ids = select(key.c.id)
    revoke = update(key).where(key.c.revoked_at.is_(None)).values(revoked_at=db.now())
    parents = _references(API_KEY, database.scalars(key_ids.where(key.c.user_id == user_id)))
    parents += _references(TOKEN, database.scalars(select(token.c.id).where(token.c.user_id == user_id)))
    database.execute(revoke.where(key.c.user_id == user_id))
    seen = set(parents)
    while parents:
        batch, parents = parents[:_BATCH], parents[_BATCH:]
        children = _references(API_KEY, database.scalars(key_ids.where(key.c.parent.in_(batch))))
        database.execute(revoke.where(key.c.parent.in_(batch)))
        parents += [reference for reference in children if reference not in seen]
        seen.update(children)
    for table in (token, code):
        database.execute(delete(table).where(table.c.user_id == user_id))
    nobody = {"user_id": None, "user_name": None, "user_created_on": None}
    database.execute(update(client).where(client.c.user_id == user_id).values(**nobody))


def _references(kind: str, ids: Iterable[str]) -> list[str]:
    return [f"{kind}:{each}" for each in ids]


def _rename_owner(_mapper: object, database: Connection, user: User) -> None:
    former = inspect(user).attrs.username.history.deleted
    if not former:
        return
    try:
        with database.begin_nested():
            for model in (ApiKey, Client, AuthorizationCode, Token):
                table = model.__table__
                own = and_(table.c.user_id == user.id, table.c.user_name == former[0])
                database.execute(update(table).where(own).values(user_name=user.username))
    except SQLAlchemyError:
        log.exception("The credentials of the renamed user %s keep the old name; they are not valid", user.id)
