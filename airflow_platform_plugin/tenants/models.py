"""Tables of tenants."""

from sqlalchemy import JSON, Column, ForeignKey, Integer, String

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
    # Not "metadata", because SQLAlchemy keeps the tables in that attribute.
    labels = Column("metadata", JSON, nullable=False)
    # The second of two concurrent changes finds another version than it has read, and fails.
    row_version = Column(Integer, nullable=False)
    # Limits of each of its keys by class of request, where they differ from the settings.
    rate_limits = Column(JSON(none_as_null=True))
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    updated_at = Column(UtcDateTime, nullable=False, default=db.now, onupdate=db.now)

    __mapper_args__ = {"version_id_col": row_version}  # noqa: RUF012 - SQLAlchemy's own


class TenantAdminName(db.Base):
    """A name in a tenant's list of administrators; ``admin_names`` searches and writes this table."""

    __tablename__ = "platform_tenant_admin_name"

    # Of the name in lower case. A hash: MySQL would take two names that differ in accents for one.
    name_hash = Column(String(64), primary_key=True, info=db.SECRET)
    tenant_id = Column(
        String(63), ForeignKey("platform_tenant.tenant_id", ondelete="CASCADE"), primary_key=True, index=True
    )
