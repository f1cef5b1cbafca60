"""What credentials come from: each remembers the one that made it, or was given its secret.

Whether all of them still count is asked whenever one is shown (``credentials.bounded``). What stands here
writes that down, so that nobody takes for alive in a list what no longer is.
"""

from collections.abc import Iterable
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.auth.models import API_KEY, ApiKey
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import PermissionDenied
from airflow_platform_plugin.core.principal import Principal

# How many a credential may come from: a key of a key of a key, and so on.
MOST_GENERATIONS = 8
_BATCH = 500


class Descendant(Protocol):
    """A key or an OAuth client: what a credential makes."""

    parent: str | None


def of_key(row: ApiKey) -> str:
    """How descendants name the key."""
    return f"{API_KEY}:{row.id}"


def parent_of_new(session: Session, by: Principal) -> str | None:
    """What something that the caller makes comes from; None where a person makes it.

    Raises:
        PermissionDenied: the caller's credential comes from too many others already.
    """
    if by.credential is None:
        return None
    if len(ancestors(session, by.credential.reference)) > MOST_GENERATIONS:
        raise PermissionDenied(
            f"The caller's credential comes from {MOST_GENERATIONS} others, each made by the one before; "
            "it cannot make or rotate any more."
        )
    return by.credential.reference


def adopt(session: Session, row: Descendant, by: Principal) -> None:
    """Let what the caller is about to get the secret of end with the caller's credential.

    Raises:
        PermissionDenied: it comes from a credential that is not the caller's.
    """
    mine = parent_of_new(session, by)
    if mine is None:
        return
    own = of_key(row) if isinstance(row, ApiKey) else None
    if mine in {own, row.parent} or (row.parent and mine in ancestors(session, row.parent)):
        return
    if row.parent is not None:
        raise PermissionDenied(
            "Another key or token has made this. Only that one, or a person without any, can have its secret "
            "replaced."
        )
    row.parent = mine


def ancestors(session: Session, reference: str) -> list[str]:
    """The credential and those that it comes from, the nearest first."""
    # Found here rather than above: the OAuth clients are built on the keys.
    from airflow_platform_plugin.auth.oauth.models import Client, Token

    found: list[str] = []
    following: str | None = reference
    while following is not None and following not in found and len(found) <= MOST_GENERATIONS:
        found.append(following)
        kind, _, name = following.partition(":")
        wanted = (
            select(ApiKey.parent).where(ApiKey.id == name)
            if kind == API_KEY
            else select(Client.parent)
            .join(Token, Token.client_id == Client.client_id)
            .where(Token.id == name)
        )
        following = session.scalar(wanted)
    return found


def revoke_below(session: Session, references: Iterable[str]) -> None:
    """Revoke the keys that come from those credentials, and those that come from these."""
    todo, seen = list(references), set()
    while todo:
        some, todo = todo[:_BATCH], todo[_BATCH:]
        for row in session.scalars(select(ApiKey).where(ApiKey.parent.in_(some))):
            if row.id not in seen:
                seen.add(row.id)
                row.revoked_at = row.revoked_at or db.now()
                todo.append(of_key(row))
