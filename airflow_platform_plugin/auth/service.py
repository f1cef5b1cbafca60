"""API keys: made, found, revoked."""

import hmac

from sqlalchemy.orm import Session

from airflow_platform_plugin import crypto
from airflow_platform_plugin.auth import keys
from airflow_platform_plugin.auth.models import ApiKey


def create(session: Session, *, name: str, user_id: int) -> tuple[ApiKey, str]:
    """Make a key that acts as the user; returns the row and the key's text, which is not kept."""
    text = keys.generate()
    row = ApiKey(id=text.id, name=name, user_id=user_id, secret_hash=crypto.digest(text.secret))
    session.add(row)
    session.flush()
    return row, str(text)


def find(session: Session, text: str) -> ApiKey | None:
    """The live key of that text, or None. A mangled text costs no query."""
    parsed = keys.parse(text)
    if parsed is None:
        return None
    row: ApiKey | None = session.get(ApiKey, parsed.id)
    # Compared also where there is no row, so that timing does not tell known ids from unknown ones.
    expected = row.secret_hash if row else crypto.digest("")
    matches = hmac.compare_digest(str(expected), crypto.digest(parsed.secret))
    return row if row is not None and matches and row.revoked_at is None else None
