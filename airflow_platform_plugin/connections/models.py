"""What the platform knows of a connection beside what Airflow does."""

from sqlalchemy import Boolean, Column, Integer, String

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.db import UtcDateTime


class PlatformConnection(db.Base):
    """Whose a connection is, and its last test. Without a row, as from Airflow's pages, it is everybody's."""

    __tablename__ = "platform_connection"

    # Airflow's own id and the name: another connection may get the name of a deleted one, and on SQLite its
    # id. Where Airflow's pages rename one, ``follow`` keeps the name.
    id = Column(Integer, primary_key=True, autoincrement=False)
    connection_id = Column(String(250), nullable=False)
    # None is everybody's.
    tenant_id = Column(String(63), index=True)
    row_version = Column(Integer, nullable=False)
    # None where Airflow's pages made it and nobody has said here whose it is.
    created_at = Column(UtcDateTime)
    created_by = Column(String(256))
    updated_at = Column(UtcDateTime)
    # An administrator has written its type and its extra for this tenant, which the tenant itself could not.
    approved = Column(Boolean)
    last_tested_at = Column(UtcDateTime)
    last_test_status = Column(String(16))
    last_test_message = Column(String(500))
    last_test_latency_ms = Column(Integer)

    __mapper_args__ = {"version_id_col": row_version}  # noqa: RUF012 - SQLAlchemy's own

    # The service tells the audit log, by the connection's name and with the fields of Airflow's own row.
    audited = False
