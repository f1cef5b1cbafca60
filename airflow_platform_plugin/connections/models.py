"""Tables of connections."""

from sqlalchemy import Boolean, Column, Integer, String

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.db import UtcDateTime


class PlatformConnection(db.Base):
    """The owner of a connection of Airflow's, and its last test.

    A connection without a row, for example from Airflow's pages, belongs to no tenant.
    """

    __tablename__ = "platform_connection"

    # Airflow's id and the name, because another connection may get the name of a deleted one, and on SQLite
    # its id. ``cleanup`` updates the name when Airflow's pages rename a connection.
    id = Column(Integer, primary_key=True, autoincrement=False)
    connection_id = Column(String(250), nullable=False)
    # The owning tenant; None if it belongs to no tenant.
    tenant_id = Column(String(63), index=True)
    row_version = Column(Integer, nullable=False)
    # None if it was created in Airflow's pages, and nobody has set its owner here.
    created_at = Column(UtcDateTime)
    created_by = Column(String(256))
    updated_at = Column(UtcDateTime)
    # Whether a platform admin has approved a type or fields of extra that the tenant could not write itself.
    approved = Column(Boolean)
    last_tested_at = Column(UtcDateTime)
    last_test_status = Column(String(16))
    last_test_message = Column(String(500))
    last_test_latency_ms = Column(Integer)

    __mapper_args__ = {"version_id_col": row_version}  # noqa: RUF012 - SQLAlchemy's own

    # ``storage`` writes the audit log, with the connection's name and the changed fields of Airflow's row.
    audited = False
