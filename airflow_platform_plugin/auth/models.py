"""API keys."""

from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import Column, Integer, String

from airflow_platform_plugin import db


class ApiKey(db.Base):
    """A program's key. The secret itself is not stored: it has 256 random bits, so a hash finds it."""

    __tablename__ = "platform_api_key"

    id = Column(String(16), primary_key=True)
    name = Column(String(128), nullable=False)
    # The key acts as this user of Airflow's. No foreign key: users may live elsewhere (LDAP, OAuth).
    user_id = Column(Integer, nullable=False, index=True)
    secret_hash = Column(String(64), nullable=False)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    revoked_at = Column(UtcDateTime)
