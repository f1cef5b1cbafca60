"""API keys."""

from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import JSON, Column, Integer, String

from airflow_platform_plugin import db


class ApiKey(db.Base):
    """A program's key. The secret itself is not stored: it has 256 random bits, so a hash finds it."""

    __tablename__ = "platform_api_key"

    id = Column(String(16), primary_key=True)
    name = Column(String(128), nullable=False)
    # The key acts as this user of Airflow's. No foreign key: users may live elsewhere (LDAP, OAuth).
    user_id = Column(Integer, nullable=False, index=True)
    tenant_id = Column(String(63), index=True)
    # What it is narrowed to; null is everything that its owner may, from everywhere.
    scopes = Column(JSON(none_as_null=True))
    allowed_dags = Column(JSON(none_as_null=True))
    allowed_networks = Column(JSON(none_as_null=True))
    # How often it may call, by class of request, where that is not its tenant's or the settings' value.
    rate_limits = Column(JSON(none_as_null=True))
    secret_hash = Column(String(64), nullable=False, info=db.SECRET)
    # The secret before the last rotation, and until when it works beside the new one.
    previous_secret_hash = Column(String(64), info=db.SECRET)
    previous_expires_at = Column(UtcDateTime)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256))  # null for keys of before this was kept
    expires_at = Column(UtcDateTime)
    last_used_at = Column(UtcDateTime)
    revoked_at = Column(UtcDateTime)
