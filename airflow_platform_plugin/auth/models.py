"""API keys, and whose a credential is."""

from typing import Any

from sqlalchemy import JSON, Column, DateTime, Integer, String, and_
from sqlalchemy.dialects import mysql

from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.db import UtcDateTime

# The kinds of credentials, as a reference names them: ``api_key:…``, ``token:…``.
API_KEY, TOKEN = "api_key", "token"


class Owned:
    """As whom a credential acts: an account of Airflow's. A model with it has the column ``user_id`` too.

    No foreign key: users may live elsewhere (LDAP, OAuth). An id alone is no account, for ids are given out
    again, so the name and the moment in which the user was made are kept too, and all three must agree.
    """

    user_name = Column(String(512))
    # As Airflow has it: local time without a zone, on MySQL of whole seconds.
    user_created_on = Column(DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql"))

    @property
    def account(self) -> Account | None:
        """The owner; None where there is none."""
        row: Any = self
        if row.user_id is None or row.user_name is None:
            return None
        return Account(row.user_id, row.user_name, row.user_created_on)

    @account.setter
    def account(self, account: Account | None) -> None:
        row: Any = self
        row.user_id, row.user_name, row.user_created_on = account or (None, None, None)

    @classmethod
    def owned_by(cls, account: Account) -> Any:  # noqa: ANN401 - a condition
        """The rows of that account."""
        model: Any = cls
        made = model.user_created_on
        same = made.is_(None) if account.created_on is None else made == account.created_on
        return and_(model.user_id == account.id, model.user_name == account.name, same)


class ApiKey(Owned, db.Base):
    """A program's key. The secret itself is not stored: it has 256 random bits, so a hash finds it."""

    __tablename__ = "platform_api_key"

    id = Column(String(16), primary_key=True)
    name = Column(String(128), nullable=False)
    user_id = Column(Integer, nullable=False, index=True)
    # The credential that made it, ``api_key:…`` or ``token:…``: it may no more and lives no longer than that.
    parent = Column(String(48), index=True)
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
