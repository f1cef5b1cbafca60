"""The ancestors of a credential: each row stores which credential created it, or was given its secret.

Each use of a credential checks its ancestors (``credentials.limit_by_ancestors``). The functions here also
revoke descendants, so that lists do not show them as active.
"""

from collections.abc import Iterable
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.auth.models import API_KEY, ApiKey
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import PermissionDenied
from airflow_platform_plugin.core.principal import Principal

# The most ancestors of a credential: a key that a key created that a key created, and so on.
MOST_GENERATIONS = 8
_BATCH = 500


class Descendant(Protocol):
    """A key or an OAuth client, which a credential can create."""

    parent: str | None


def key_reference(row: ApiKey) -> str:
    """Return the reference by which descendants name the key."""
    return f"{API_KEY}:{row.id}"


def parent_of_new(session: Session, by: Principal) -> str | None:
    """Return the parent of what the caller creates; None if the caller used no credential.

    Raises:
        PermissionDenied: the caller's credential has too many ancestors.
    """
    if by.credential is None:
        return None
    if len(ancestors(session, by.credential.reference)) > MOST_GENERATIONS:
        raise PermissionDenied(
            f"The caller's credential has {MOST_GENERATIONS} ancestors, each created with the one before. It "
            "cannot create or rotate others; use an older credential or a browser's session."
        )
    return by.credential.reference


def adopt(session: Session, row: Descendant, by: Principal) -> None:
    """Make the caller's credential the parent of a row, since the caller is about to get its secret.

    Raises:
        PermissionDenied: the row comes from a credential that is not the caller's.
    """
    mine = parent_of_new(session, by)
    if mine is None:
        return
    own = key_reference(row) if isinstance(row, ApiKey) else None
    if mine in {own, row.parent} or (row.parent and mine in ancestors(session, row.parent)):
        return
    if row.parent is not None:
        raise PermissionDenied(
            "Another key or token has created this. Only that one, or a person without a key or token, can "
            "rotate its secret."
        )
    row.parent = mine


def ancestors(session: Session, reference: str) -> list[str]:
    """Return the references of a credential and of its ancestors, the nearest first."""
    # Imported here: the OAuth feature imports this module.
    from airflow_platform_plugin.auth.oauth.models import Client, Token

    found: list[str] = []
    following: str | None = reference
    while following is not None and following not in found and len(found) <= MOST_GENERATIONS:
        found.append(following)
        kind, _, name = following.partition(":")
        parent = (
            select(ApiKey.parent).where(ApiKey.id == name)
            if kind == API_KEY
            else select(Client.parent)
            .join(Token, Token.client_id == Client.client_id)
            .where(Token.id == name)
        )
        following = session.scalar(parent)
    return found


def revoke_descendants(session: Session, references: Iterable[str]) -> None:
    """Revoke all descendants of those credentials."""
    pending, seen = list(references), set()
    while pending:
        batch, pending = pending[:_BATCH], pending[_BATCH:]
        for row in session.scalars(select(ApiKey).where(ApiKey.parent.in_(batch))):
            if row.id not in seen:
                seen.add(row.id)
                row.revoked_at = row.revoked_at or db.now()
                pending.append(key_reference(row))
