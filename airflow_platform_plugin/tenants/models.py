"""Tenants."""

from sqlalchemy import JSON, Column, Integer, String

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.db import UtcDateTime


class Tenant(db.Base):
    """A team that shares this Airflow with others."""

    __tablename__ = "platform_tenant"

    tenant_id = Column(String(63), primary_key=True)
    display_name = Column(String(256), nullable=False)
    namespace = Column(String(63), nullable=False, unique=True)
    resource_limits = Column(JSON, nullable=False)
    features = Column(JSON, nullable=False)
    admin_users = Column(JSON, nullable=False)
    # "metadata" is taken: SQLAlchemy keeps the tables there.
    labels = Column("metadata", JSON, nullable=False)
    # Two changes at once: the second finds another version than it has read, and fails.
    row_version = Column(Integer, nullable=False)
    # How often each of its keys may call, by class of request, where that differs from the settings.
    rate_limits = Column(JSON(none_as_null=True))
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    updated_at = Column(UtcDateTime, nullable=False, default=db.now, onupdate=db.now)

    __mapper_args__ = {"version_id_col": row_version}  # noqa: RUF012 - SQLAlchemy's own
