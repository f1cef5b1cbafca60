"""What is deleted or renamed in Airflow's own pages, by its API or its command line, is followed here.

That a credential belongs to an account rather than to an id does not depend on this: it is asked whenever
one is shown, so it holds for users who are deleted with SQL too. This keeps what is listed true, and lets
a user who is renamed keep what is theirs.
"""

import logging
from typing import Any

from sqlalchemy import and_, delete, event, inspect, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth.models import API_KEY, TOKEN, ApiKey
from airflow_platform_plugin.auth.oauth.models import AuthorizationCode, Client, Token
from airflow_platform_plugin.core import db

log = logging.getLogger(__name__)

_BATCH = 500


def install() -> None:
    """Follow users in the same transaction, wherever this process deletes or renames one."""
    user = airflow_compat.users.user_model()
    for name, follow in (("after_delete", _deleted), ("after_update", _updated)):
        if not event.contains(user, name, follow):
            event.listen(user, name, follow)


def _deleted(_mapper: object, database: Connection, user: Any) -> None:  # noqa: ANN401 - FAB's user
    try:
        # A SAVEPOINT: what fails here must not fail what Airflow does.
        with database.begin_nested():
            _end(database, user.id)
    except SQLAlchemyError:
        log.exception("The credentials of the user %s are left behind; they do not count", user.id)


def _end(database: Connection, user_id: int) -> None:
    """Revoke the keys, delete the tokens, and let no client act as the user."""
    key, token, code, client = (model.__table__ for model in (ApiKey, Token, AuthorizationCode, Client))
    keys, made_by = select(key.c.id), key.c.parent
    end = update(key).where(key.c.revoked_at.is_(None)).values(revoked_at=db.now())
    below = _references(API_KEY, database.scalars(keys.where(key.c.user_id == user_id)))
    below += _references(TOKEN, database.scalars(select(token.c.id).where(token.c.user_id == user_id)))
    database.execute(end.where(key.c.user_id == user_id))
    seen = set(below)
    while below:
        some, below = below[:_BATCH], below[_BATCH:]
        made = _references(API_KEY, database.scalars(keys.where(made_by.in_(some))))
        database.execute(end.where(made_by.in_(some)))
        below += [reference for reference in made if reference not in seen]
        seen.update(made)
    for table in (token, code):
        database.execute(delete(table).where(table.c.user_id == user_id))
    nobody = {"user_id": None, "user_name": None, "user_created_on": None}
    database.execute(update(client).where(client.c.user_id == user_id).values(**nobody))


def _references(kind: str, ids: Any) -> list[str]:  # noqa: ANN401 - any rows' ids
    return [f"{kind}:{each}" for each in ids]


def _updated(_mapper: object, database: Connection, user: Any) -> None:  # noqa: ANN401 - FAB's user
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
        log.exception("The credentials of the user %s did not take the new name; they do not count", user.id)
