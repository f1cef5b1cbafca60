"""Record every change through the API in Airflow's audit log: who, with which key, what, before and after.

The changes of the platform's tables are read from the request's session when it flushes; a rollback leaves no
row. A service calls ``record_change`` for what it changes in Airflow's tables or exports. A model that is
recorded in that way sets ``audited = False``.
"""

import json
from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.types import Json, Row
from airflow_platform_plugin.http import responses
from airflow_platform_plugin.http.request_state import current_principal

_LONGEST_EVENT, _LONGEST_OWNER = 60, 500  # the columns' lengths; a user's name has up to 512
_LONGEST_EXTRA = 32_000  # MySQL stores 65,535 bytes, which may be fewer characters
_TRAIL = "platform_trail"


class AuditTrail:
    """The changes of one session, in order."""

    def __init__(self, session: Session) -> None:
        self.changes: list[dict[str, Any]] = []
        self._session = session
        session.info[_TRAIL] = self
        event.listen(session, "after_flush", self._collect)

    def write(self, principal: Principal, name: str) -> None:
        """Add the row of the audit log if anything has changed; without values if it would be too long."""
        if not self.changes:
            return
        brief = [{**change, "before": None, "after": None, "too_long": True} for change in self.changes]
        dag_id = next((change["dag_id"] for change in self.changes if change.get("dag_id")), None)
        _add_row(
            self._session,
            principal,
            name,
            {"changes": self.changes},
            brief={"changes": brief[:100]},
            dag_id=dag_id,
        )

    def _collect(self, session: Session, _context: object) -> None:
        for row in [*session.new, *session.dirty, *session.deleted]:
            if isinstance(row, db.Base) and getattr(row, "audited", True):
                before, after = _values(row, session)
                if before != after:
                    self.changes.append(
                        {
                            "object": str(row.__tablename__).removeprefix("platform_"),
                            "id": "/".join(map(str, inspect(row).mapper.primary_key_from_instance(row))),
                            "before": before,
                            "after": after,
                        }
                    )
                    if dag_id := getattr(row, "dag_id", None):
                        self.changes[-1]["dag_id"] = dag_id


def record_change(
    session: Session, kind: str, name: str, *, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    """Record a change outside the platform's tables, if the session has an audit trail.

    Args:
        session: the request's transaction.
        kind: the kind of object, such as ``connection``.
        name: the object's id.
        before: its values before the change, without secrets; None if it is new.
        after: its values after the change, without secrets; None if it is deleted.
    """
    trail: AuditTrail | None = session.info.get(_TRAIL)
    if trail is not None:
        trail.changes.append({"object": kind, "id": name, "before": before, "after": after})


def record_run_change(
    session: Session,
    principal: Principal,
    name: str,
    *,
    dag_id: str,
    run_id: str,
    **extra: Json,
) -> None:
    """Add a row about a change of a DAG run.

    Args:
        session: the request's transaction.
        principal: the caller.
        name: the name of the operation.
        dag_id: the run's DAG.
        run_id: the run.
        extra: what has changed; secrets are masked.
    """
    details = airflow_compat.masking.redact(extra)
    _add_row(session, principal, name, details, brief={"too_long": True}, dag_id=dag_id, run_id=run_id)


def _add_row(  # noqa: PLR0913 - a row's columns
    session: Session,
    principal: Principal,
    name: str,
    details: dict[str, Any],
    *,
    brief: dict[str, Any],
    dag_id: str | None,
    run_id: str | None = None,
) -> None:
    """Add a row with the details, or with ``brief`` if they are too long."""
    request = {"request_id": responses.request_id()}
    text = json.dumps({**details, **request}, default=str)
    if len(text) > _LONGEST_EXTRA:
        text = json.dumps({**brief, **request}, default=str)
    row = airflow_compat.models.Log(
        event=f"platform.{name}"[:_LONGEST_EVENT],
        task_instance=None,
        owner=principal.username[:_LONGEST_OWNER],
        extra=text,
    )
    row.dag_id, row.run_id = dag_id, run_id
    session.add(row)
    session.flush()


def _values(row: Row, session: Session) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return a row's values before and after this flush, without secrets; if it changed, the changed ones."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    state = inspect(row)
    for attribute in state.mapper.column_attrs:
        if attribute.columns[0].info.get("secret"):
            continue
        name, history = attribute.key, state.attrs[attribute.key].history
        if row in session.dirty:
            if history.has_changes():
                before[name] = history.deleted[0] if history.deleted else None
                after[name] = history.added[0] if history.added else None
        else:
            before[name] = after[name] = getattr(row, name)
    before, after = airflow_compat.masking.redact(before), airflow_compat.masking.redact(after)
    if row in session.new:
        return None, after
    return before, None if row in session.deleted else after


def install() -> None:
    """Add the credential to every row of the audit log that its requests cause, also on stock endpoints."""
    if not event.contains(airflow_compat.models.Log, "before_insert", _add_credential):
        event.listen(airflow_compat.models.Log, "before_insert", _add_credential)


def _add_credential(_mapper: object, _connection: object, row: airflow_compat.models.Log) -> None:
    principal = current_principal()
    if principal is None or principal.credential is None:
        return
    try:
        extra = json.loads(row.extra or "{}")
    except ValueError:
        extra = {"extra": row.extra}
    row.extra = json.dumps({**extra, "credential": principal.credential.id})
