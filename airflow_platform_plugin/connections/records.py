"""Connections as the platform reads them: Airflow's row and ours together."""

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.fernet import InvalidToken
from sqlalchemy import and_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import masking
from airflow_platform_plugin.connections.inputs import ConnectionFields, Extra
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.http import ijson

# Airflow's names of columns that have other names here.
COLUMNS = {"connection_id": "conn_id", "connection_type": "conn_type"}
PLAIN_FIELDS = ("connection_type", "description", "host", "port", "schema", "login")


@dataclass(frozen=True)
class LastTest:
    """The result of a connection's last test, as ``testing.results.TestResult``, and when it ended."""

    status: str
    message: str
    latency_ms: int | None
    tested_at: datetime


@dataclass(frozen=True)
class DetachedConnection:
    """A copy of a connection that a caller may use, for another thread or after the transaction.

    Use this object and never its name again: the environment or a secrets backend may have another connection
    of that name by then.

    Attributes:
        connection: the connection, which belongs to no session.
        tenant_id: the owning tenant; None if it belongs to no tenant.
        approved: whether a platform admin has approved its type and its extra.
    """

    connection: Connection
    tenant_id: str | None
    approved: bool = False


@dataclass(frozen=True)
class ConnectionRecord:
    """Airflow's row and the platform's row of a connection.

    The properties have the names of a response's fields, and show no secret. Those that begin with ``stored``
    do.

    Attributes:
        row: Airflow's row.
        metadata: our row; None if the connection was created in Airflow's pages, and never changed or tested
            through the platform.
    """

    row: Connection
    metadata: PlatformConnection | None

    connection_id = property(lambda self: str(self.row.conn_id))
    connection_type = property(lambda self: str(self.row.conn_type))
    description = property(lambda self: self.row.description)
    port = property(lambda self: self.row.port)
    schema = property(lambda self: self.row.schema)
    login = property(lambda self: self.row.login)
    created_at = property(lambda self: self.metadata and self.metadata.created_at)
    created_by = property(lambda self: self.metadata and self.metadata.created_by)
    updated_at = property(lambda self: self.metadata and self.metadata.updated_at)

    @property
    def is_assigned(self) -> bool:
        """Whether somebody has set the connection's owner here, which may be all tenants.

        A test or another change of a connection from Airflow's pages does not set it.
        """
        return bool(self.metadata and self.metadata.created_at)

    @property
    def tenant_id(self) -> str | None:
        """The owning tenant; None if the connection belongs to no tenant."""
        return self.metadata.tenant_id if self.metadata else None

    @property
    def is_approved(self) -> bool:
        """Whether a platform admin has approved fields that the tenant could not write itself."""
        return bool(self.metadata and self.metadata.approved)

    @property
    def is_shared(self) -> bool:
        """Whether all tenants may query it. A connection from Airflow's pages must be shared first."""
        return self.is_assigned and self.tenant_id is None

    @property
    def has_password(self) -> bool:
        """Whether a password is set. The check does not decrypt it."""
        return bool(self.row._password)  # noqa: SLF001 - the encrypted one

    @property
    def hides_extra(self) -> bool:
        """Whether extra is hidden as a whole, because it is not a JSON object that can be shown."""
        return _parse_extra(self.row) is None

    @property
    def host(self) -> str | None:
        """The host, with a mask for the login and the password of a URI."""
        return masking.mask_text(self.row.host) if self.row.host else self.row.host

    @property
    def extra(self) -> Extra:
        """Extra, with masks for its secrets."""
        return masking.mask_extra(self.stored_extra)

    @property
    def secrets_set(self) -> list[str]:
        """The secrets that are set and not shown: ``password``, ``extra.private_key``."""
        found = ["password"] if self.has_password else []
        if self.hides_extra:
            found.append("extra")
        shown = {"extra": self.extra, "host": self.host}
        return found + [
            ".".join(path) for name, value in shown.items() for path in masking.find_masks(value, (name,))
        ]

    @property
    def last_test(self) -> LastTest | None:
        """The result of the last test, or None if it was never tested."""
        metadata = self.metadata
        if metadata is None or metadata.last_tested_at is None:
            return None
        return LastTest(
            status=metadata.last_test_status,
            message=metadata.last_test_message,
            latency_ms=metadata.last_test_latency_ms,
            tested_at=metadata.last_tested_at,
        )

    @property
    def row_version(self) -> str:
        """The version for ETag and If-Match: a hash, because changes in Airflow's pages count no version."""
        columns = [getattr(self.row, COLUMNS.get(name, name)) for name in PLAIN_FIELDS]
        columns += [self.row._password, self.row._extra, self.tenant_id]  # noqa: SLF001 - the encrypted ones
        return hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:16]

    @property
    def stored_extra(self) -> Extra:
        """Extra as it is stored; empty if it is not a JSON object."""
        return _parse_extra(self.row) or {}

    @property
    def stored(self) -> ConnectionFields:
        """All fields as they are stored; no password if it cannot be decrypted."""
        password = self.row.password if is_decryptable(self.row) else None
        return replace(read_fields(self.row), password=password)

    def detach(self) -> DetachedConnection:
        """Return a copy for use after the transaction."""
        return DetachedConnection(copy_detached(self.row), self.tenant_id, approved=self.is_approved)


def is_decryptable(row: Connection) -> bool:
    """Return whether Airflow's current Fernet keys can decrypt the password, if there is one."""
    try:
        row.get_password()
    except (AirflowException, InvalidToken, ValueError):
        return False
    return True


def read_fields(row: Connection) -> ConnectionFields:
    """Return the fields of a connection as they are stored, without its password."""
    plain = {name: getattr(row, COLUMNS.get(name, name)) for name in PLAIN_FIELDS}
    return ConnectionFields(**plain, extra=_parse_extra(row) or {})


def copy_detached(row: Connection) -> Connection:
    """Return a copy with the same id that belongs to no session: for another thread or transaction."""
    copy = Connection(conn_id=row.conn_id)
    for name in PLAIN_FIELDS:
        column = COLUMNS.get(name, name)
        setattr(copy, column, getattr(row, column))
    copy.id = row.id
    copy._password, copy.is_encrypted = row._password, row.is_encrypted  # noqa: SLF001 - still encrypted
    copy._extra, copy.is_extra_encrypted = row._extra, row.is_extra_encrypted  # noqa: SLF001 - the same
    return copy


def find(session: Session, connection_id: str, *, lock: bool = False) -> ConnectionRecord | None:
    """Return the connection of any tenant with that name, or None.

    ``lock=True`` selects Airflow's row FOR UPDATE.
    """
    rows = select(Connection).where(Connection.conn_id == connection_id)
    row = session.scalar(rows.with_for_update() if lock else rows)
    return None if row is None else ConnectionRecord(row, find_metadata(session, row))


def find_metadata(session: Session, row: Connection) -> PlatformConnection | None:
    """Return our row of a connection: the one with the same id and the same name.

    A row with the id alone belongs to a connection that was deleted by another program. On SQLite the next
    connection gets its id, and must not get its tenant.
    """
    if row.id is None:
        return None
    metadata: PlatformConnection | None = session.get(PlatformConnection, row.id)
    return metadata if metadata is not None and metadata.connection_id == row.conn_id else None


def attach_metadata(session: Session, rows: Sequence[Connection]) -> list[ConnectionRecord]:
    """Return records of Airflow's rows, each with our row."""
    ours = select(PlatformConnection).where(PlatformConnection.id.in_([row.id for row in rows]))
    found = {(item.id, item.connection_id): item for item in session.scalars(ours)}
    return [ConnectionRecord(row, found.get((row.id, row.conn_id))) for row in rows]


def metadata_join() -> ColumnElement[bool]:
    """Return the condition of ``find_metadata``, for a query that joins Airflow's rows with ours."""
    return and_(
        PlatformConnection.id == Connection.id, PlatformConnection.connection_id == Connection.conn_id
    )


def _parse_extra(row: Connection) -> Extra | None:
    """Return extra: an empty object if it is not set, and None if it cannot be shown.

    Airflow takes any text, nested to any depth, and only warns of it. Such a text, or one that was encrypted
    with a lost key, must not fail a whole list.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = row.get_extra()
        extra = json.loads(text) if text else {}
    except (AirflowException, InvalidToken, ValueError, RecursionError):
        return None
    return extra if isinstance(extra, dict) and ijson.is_within(extra) else None
