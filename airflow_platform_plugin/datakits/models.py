"""The tables of the DataKit registry."""

from sqlalchemy import JSON, Column, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.dialects import mysql

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.db import UtcDateTime


class DataKitName(db.Base):
    """The owner of a kit's name: the tenant that registered its first version, while a version exists."""

    __tablename__ = "platform_datakit_name"

    name = Column(String(63), primary_key=True)
    tenant_id = Column(String(63), ForeignKey("platform_tenant.tenant_id"), index=True)


class DataKit(db.Base):
    """One version of a kit. It never changes; it can be withdrawn."""

    __tablename__ = "platform_datakit"

    id = Column(String(24), primary_key=True, default=lambda: db.new_id("dk"))
    name = Column(String(63), nullable=False)
    version = Column(String(64), nullable=False)
    # The tenant that may see, deploy and withdraw it. None: everybody may deploy it, and platform admins
    # may change it.
    tenant_id = Column(String(63), ForeignKey("platform_tenant.tenant_id"), index=True)
    type = Column(String(32), nullable=False)
    # Repeated from the manifest, so that the list can search it.
    description = Column(Text, nullable=False)
    manifest = Column(JSON, nullable=False)
    withdrawn_at = Column(UtcDateTime)
    withdrawn_reason = Column(String(1000))
    row_version = Column(Integer, nullable=False)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256), nullable=False)

    __table_args__ = (UniqueConstraint("name", "version"),)
    __mapper_args__ = {"version_id_col": row_version}  # noqa: RUF012 - SQLAlchemy's own


class DataKitTag(db.Base):
    """A tag of a version, repeated from its manifest, so that the list can filter by it."""

    __tablename__ = "platform_datakit_tag"

    datakit_id = Column(String(24), ForeignKey("platform_datakit.id", ondelete="CASCADE"), primary_key=True)
    # MySQL's default collation does not distinguish "a" from "A".
    tag = Column(
        String(100).with_variant(mysql.VARCHAR(100, collation="utf8mb4_bin"), "mysql"),
        primary_key=True,
        index=True,
    )
