"""A connection as the platform has it: Airflow's row and ours together."""

import hashlib
import json
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.fernet import InvalidToken
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import masking
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.http import ijson

# Our names of Airflow's columns, where they differ.
COLUMNS = {"connection_id": "conn_id", "connection_type": "conn_type"}
PLAIN = ("connection_type", "description", "host", "port", "schema", "login")


@dataclass(frozen=True)
class ConnectionRecord:
    """Airflow's row and, where the platform knows more of the connection, ours.

    Its properties have the names that answers have, and show no secret; what begins with ``stored`` does.
    """

    row: Connection
    known: PlatformConnection | None

    connection_id = property(lambda self: str(self.row.conn_id))
    connection_type = property(lambda self: str(self.row.conn_type))
    description = property(lambda self: self.row.description)
    port = property(lambda self: self.row.port)
    schema = property(lambda self: self.row.schema)
    login = property(lambda self: self.row.login)
    created_at = property(lambda self: self.known and self.known.created_at)
    created_by = property(lambda self: self.known and self.known.created_by)
    updated_at = property(lambda self: self.known and self.known.updated_at)

    @property
    def own(self) -> PlatformConnection | None:
        """Our row, where somebody has said here whose the connection is.

        That one of Airflow's own pages was tested or changed here does not say it.
        """
        return self.known if self.known and self.known.created_at else None

    @property
    def tenant_id(self) -> str | None:
        """Whose it is; None for everybody's."""
        return self.known.tenant_id if self.known else None

    @property
    def is_approved(self) -> bool:
        """Whether an administrator has approved what its tenant could not have written."""
        return bool(self.known and self.known.approved)

    @property
    def is_shared(self) -> bool:
        """Whether it was given to all tenants, who may query it; not yet, where Airflow's pages made it."""
        return self.own is not None and self.tenant_id is None

    @property
    def has_password(self) -> bool:
        """Whether it has one; it is not decrypted for that."""
        return bool(self.row._password)  # noqa: SLF001 - as in the table

    @property
    def hides_extra(self) -> bool:
        """Whether extra is not a JSON object that can be shown, and so is hidden as a whole."""
        return _parse(self.row) is None

    @property
    def host(self) -> str | None:
        """The host, without the password that a URI may have in it."""
        return masking.mask_text(self.row.host) if self.row.host else self.row.host

    @property
    def extra(self) -> dict[str, Any]:
        """Extra, with masks for its secrets."""
        return masking.mask(self.stored_extra)

    @property
    def secrets_set(self) -> list[str]:
        """What is set and not shown: ``password``, ``extra.private_key``."""
        found = ["password"] if self.has_password else []
        if self.hides_extra:
            found.append("extra")
        shown = {"extra": self.extra, "host": self.host}
        return found + [
            path for name, value in shown.items() for path in masking.masked_paths(value, (name,))
        ]

    @property
    def last_test(self) -> dict[str, Any] | None:
        """What the last test said, and when."""
        if self.known is None or self.known.last_tested_at is None:
            return None
        tested_at: datetime = self.known.last_tested_at
        return {
            "status": self.known.last_test_status,
            "message": self.known.last_test_message,
            "latency_ms": self.known.last_test_latency_ms,
            "tested_at": tested_at,
        }

    @property
    def row_version(self) -> str:
        """Another text after each change, also after one in Airflow's own pages, where nothing is counted."""
        columns = [getattr(self.row, COLUMNS.get(name, name)) for name in PLAIN]
        columns += [self.row._password, self.row._extra, self.tenant_id]  # noqa: SLF001 - as encrypted
        return hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:16]

    @property
    def stored_extra(self) -> dict[str, Any]:
        """Extra as it is stored; empty where it is something else than a JSON object."""
        return _parse(self.row) or {}

    @property
    def stored(self) -> dict[str, Any]:
        """Every field as it is stored; no password where it cannot be decrypted."""
        return {**fields_of(self.row), "password": self.row.password if is_decryptable(self.row) else None}


def is_decryptable(row: Connection) -> bool:
    """Whether the password, if there is one, can be read with the Fernet keys that Airflow has now."""
    try:
        row.get_password()
    except (AirflowException, InvalidToken, ValueError):
        return False
    return True


def fields_of(row: Connection) -> dict[str, Any]:
    """The fields of a connection but its password, under our names."""
    plain = {name: getattr(row, COLUMNS.get(name, name)) for name in PLAIN}
    return {**plain, "extra": _parse(row) or {}}


def detached(row: Connection) -> Connection:
    """A copy that belongs to no session, for another thread or after the transaction; it keeps the id."""
    copy = Connection(conn_id=row.conn_id)
    for name in PLAIN:
        column = COLUMNS.get(name, name)
        setattr(copy, column, getattr(row, column))
    copy.id = row.id
    copy._password, copy.is_encrypted = row._password, row.is_encrypted  # noqa: SLF001 - as encrypted
    copy._extra, copy.is_extra_encrypted = row._extra, row.is_extra_encrypted  # noqa: SLF001
    return copy


def find(session: Session, connection_id: str, *, lock: bool = False) -> ConnectionRecord | None:
    """The connection of that name, whosesoever it is; ``lock`` keeps others from changing it meanwhile."""
    wanted = select(Connection).where(Connection.conn_id == connection_id)
    row = session.scalar(wanted.with_for_update() if lock else wanted)
    return None if row is None else ConnectionRecord(row, metadata_of(session, row))


def metadata_of(session: Session, row: Connection) -> PlatformConnection | None:
    """What the platform knows of a connection: of that id and that name.

    One that is known by the id alone is another connection, which was deleted where nobody told us: on SQLite
    the next one gets its id, and must not get its tenant.
    """
    known: PlatformConnection | None = session.get(PlatformConnection, row.id) if row.id is not None else None
    return known if known is not None and known.connection_id == row.conn_id else None


def attach_metadata(session: Session, rows: list[Connection]) -> list[ConnectionRecord]:
    """Airflow's rows, each with ours."""
    wanted = select(PlatformConnection).where(PlatformConnection.id.in_([row.id for row in rows]))
    known = {item.id: item for item in session.scalars(wanted)}
    return [
        ConnectionRecord(
            row, own if (own := known.get(row.id)) and own.connection_id == row.conn_id else None
        )
        for row in rows
    ]


def is_known() -> Any:  # noqa: ANN401 - a condition
    """The condition of ``known_of``, for a query that joins Airflow's rows with ours."""
    return and_(
        PlatformConnection.id == Connection.id, PlatformConnection.connection_id == Connection.conn_id
    )


def _parse(row: Connection) -> dict[str, Any] | None:
    """Extra, an empty object where there is none; None where it is nothing that can be shown.

    Airflow takes any text, nested however deeply, and warns of that, where nobody who could mend it reads it.
    Nor must one that was encrypted with a key that is gone fail a whole list.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = row.get_extra()
        extra = json.loads(text) if text else {}
    except (AirflowException, InvalidToken, ValueError, RecursionError):
        return None
    return extra if isinstance(extra, dict) and ijson.is_within(extra) else None
