"""API keys, and the accounts that credentials belong to."""

from typing import Any

from sqlalchemy import JSON, Column, DateTime, Integer, String, and_
from sqlalchemy.dialects import mysql
from sqlalchemy.sql import ColumnElement

from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.db import UtcDateTime

# The kinds of credentials, as a reference names them: ``api_key:…``, ``token:…``.
API_KEY, TOKEN = "api_key", "token"


class Owned:
    """The account of Airflow that a credential acts as. A model with this mixin also has ``user_id``.

    There is no foreign key, since users may be kept elsewhere (LDAP, OAuth). Ids of users are used again,
    so the name and the creation time of the user are stored too, and all three must match.
    """

    # The name of the owner for responses, which the service sets; not a column.
    owner_name: str | None = None

    user_name = Column(String(512))
    # As Airflow stores it: local time without a zone; on MySQL, whole seconds.
    user_created_on = Column(DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql"))

    @property
    def account(self) -> Account | None:
        """The owner's account, or None."""
        row: Any = self
        if row.user_id is None or row.user_name is None:
            return None
        return Account(row.user_id, row.user_name, row.user_created_on)

    @account.setter
    def account(self, account: Account | None) -> None:
        row: Any = self
        row.user_id, row.user_name, row.user_created_on = account or (None, None, None)

    @classmethod
    def owned_by(cls, account: Account) -> ColumnElement[bool]:
        """Return the condition on the rows of that account."""
        model: Any = cls
        created = model.user_created_on
        is_same = created.is_(None) if account.created_on is None else created == account.created_on
        return and_(model.user_id == account.id, model.user_name == account.name, is_same)


class ApiKey(Owned, db.Base):
    """An API key. The secret has 256 random bits and is stored as a hash."""

    # The whole key, which the service sets when it creates or rotates a key; not a column.
    text: str | None = None

    __tablename__ = "platform_api_key"

    id = Column(String(16), primary_key=True)
    name = Column(String(128), nullable=False)
    user_id = Column(Integer, nullable=False, index=True)
    # The credential that created it, ``api_key:…`` or ``token:…``, which also limits what it may do.
    parent = Column(String(48), index=True)
    tenant_id = Column(String(63), index=True)
    # Its limits. Null: all that its owner may do, from everywhere.
    scopes = Column(JSON(none_as_null=True))
    allowed_dags = Column(JSON(none_as_null=True))
    allowed_networks = Column(JSON(none_as_null=True))
    # Limits by class of request that replace those of its tenant and of the settings.
    rate_limits = Column(JSON(none_as_null=True))
    secret_hash = Column(String(64), nullable=False, info=db.SECRET)
    # The secret before the last rotation, and until when it also works.
    previous_secret_hash = Column(String(64), info=db.SECRET)
    previous_expires_at = Column(UtcDateTime)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256))  # null for keys that are older than this column
    expires_at = Column(UtcDateTime)
    last_used_at = Column(UtcDateTime)
    revoked_at = Column(UtcDateTime)
