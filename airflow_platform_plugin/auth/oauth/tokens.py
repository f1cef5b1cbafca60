"""Issue, find, use up, revoke and expire authorization codes and tokens.

All tokens that come from one consent, also by refreshing, are a family. A second use of a code or of a
refresh token shows that it was stolen, so the whole family is revoked (RFC 6749 §4.1.2, RFC 9700 §4.14.2).
"""

import hmac
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.auth import ancestry, key_format
from airflow_platform_plugin.auth.models import TOKEN
from airflow_platform_plugin.auth.oauth.models import ACCESS, REFRESH, AuthorizationCode, Client, Token
from airflow_platform_plugin.auth.oauth.settings import OAuthSettings
from airflow_platform_plugin.core import crypto, db, settings

CODE_LIFETIME = timedelta(seconds=60)
# How long used codes are stored, so that a second use is detected.
_CODE_RETENTION = timedelta(days=1)
_KINDS = {key_format.ACCESS_TOKEN: ACCESS, key_format.REFRESH_TOKEN: REFRESH}
_BATCH = 500


class TokenGrant(NamedTuple):
    """What a code or a token grants.

    Attributes:
        client: the client that may use it.
        account: the account that it acts as.
        scopes: its scopes.
    """

    client: Client
    account: Account
    scopes: list[str]


def issue_code(
    session: Session, text: str, granted: TokenGrant, *, redirect_uri: str | None, code_challenge: str | None
) -> None:
    """Store a new authorization code."""
    session.add(
        AuthorizationCode(
            code_hash=crypto.digest(text),
            client_id=granted.client.client_id,
            account=granted.account,
            redirect_uri=redirect_uri,
            scopes=granted.scopes,
            code_challenge=code_challenge,
            expires_at=db.now() + CODE_LIFETIME,
        )
    )


def find_code(session: Session, text: str, *, client: Client) -> AuthorizationCode | None:
    """Return the client's valid code, or None. A code that was used before revokes its family."""
    row: AuthorizationCode | None = session.get(AuthorizationCode, crypto.digest(text))
    if row is None or row.client_id != client.client_id:
        return None
    if row.redeemed_at is not None:
        revoke_family(session, row.family)
        return None
    return row if db.now() < row.expires_at else None


def lifetime(kind: str, client: Client) -> timedelta:
    """Return the lifetime of a new token: not longer than the client's."""
    given = settings.get(OAuthSettings)
    usual = (
        timedelta(seconds=given.oauth_access_token_seconds)
        if kind == ACCESS
        else timedelta(days=given.oauth_refresh_token_days)
    )
    return usual if client.expires_at is None else min(usual, client.expires_at - db.now())


def issue(session: Session, text: str, granted: TokenGrant, *, family: str) -> None:
    """Store a new token.

    Args:
        session: the transaction.
        text: the token's text.
        granted: what the token grants.
        family: the id of its family.

    Raises:
        ValueError: the text is not one of a token.
    """
    parsed = key_format.parse(text)
    if parsed is None:
        raise ValueError("not a token")
    kind = _KINDS[parsed.prefix]
    session.add(
        Token(
            id=parsed.id,
            kind=kind,
            secret_hash=crypto.digest(parsed.secret),
            family=family,
            client_id=granted.client.client_id,
            account=granted.account,
            scopes=granted.scopes,
            expires_at=db.now() + lifetime(kind, granted.client),
        )
    )


def find(session: Session, parsed: key_format.ParsedKey) -> tuple[Token, Client] | None:
    """Return the token with that id and secret, also a revoked one, and its client; in one query."""
    wanted = select(Token, Client).join(Client, Client.client_id == Token.client_id)
    found = session.execute(wanted.where(Token.id == parsed.id)).first()
    given = crypto.digest(parsed.secret)
    # Compare also without a row, so that the time does not show which ids exist.
    same = hmac.compare_digest(str(found.Token.secret_hash if found else ""), given)
    if found is None or not same or found.Token.kind != _KINDS.get(parsed.prefix):
        return None
    return found.Token, found.Client


def find_by_id(session: Session, token_id: str) -> tuple[Token, Client] | None:
    """Return the access token with that id, also a revoked one, and its client."""
    wanted = select(Token, Client).join(Client, Client.client_id == Token.client_id)
    found = session.execute(wanted.where(Token.id == token_id, Token.kind == ACCESS)).first()
    return None if found is None else (found.Token, found.Client)


def find_text(session: Session, text: str) -> Token | None:
    """Return the token with that text, also a revoked one, or None."""
    parsed = key_format.parse(text)
    found = None if parsed is None else find(session, parsed)
    return None if found is None else found[0]


def use_up(session: Session, source: AuthorizationCode | Token) -> bool:
    """Mark a code or refresh token as used, before new tokens are issued for it.

    Returns:
        Whether this was its first use. If not, the family is revoked.
    """
    if isinstance(source, Token):
        unused = update(Token).where(Token.id == source.id, Token.revoked_at.is_(None))
        use = unused.values(revoked_at=db.now())
    else:
        unused = update(AuthorizationCode).where(
            AuthorizationCode.code_hash == source.code_hash, AuthorizationCode.redeemed_at.is_(None)
        )
        use = unused.values(redeemed_at=db.now())
    # The database decides which request is first: another may have read the row at the same moment.
    if db.execute_bulk(session, use) == 1:
        return True
    revoke_family(session, str(source.family))
    return False


def revoke(session: Session, token: Token) -> None:
    """Revoke an access token, or the whole family of a refresh token (RFC 7009 §2.1)."""
    if token.kind == REFRESH:
        revoke_family(session, str(token.family))
    else:
        token.revoked_at = token.revoked_at or db.now()
        ancestry.revoke_descendants(session, [f"{TOKEN}:{token.id}"])


def revoke_family(session: Session, family: str) -> None:
    """Revoke every token that comes from one consent."""
    live = update(Token).where(Token.family == family, Token.revoked_at.is_(None))
    end = live.values(revoked_at=db.now())
    # The first UPDATE may wait for a request that refreshes; the second revokes the tokens of that request.
    db.execute_bulk(session, end)
    db.execute_bulk(session, end)
    _revoke_keys(session, Token.family == family)


def _revoke_keys(session: Session, condition: ColumnElement[bool]) -> None:
    """Revoke the keys that were created with those access tokens."""
    ids = session.scalars(select(Token.id).where(condition, Token.kind == ACCESS))
    ancestry.revoke_descendants(session, [f"{TOKEN}:{token_id}" for token_id in ids])


def delete_all(session: Session, client_id: str) -> None:
    """Delete all codes and tokens of a client, and revoke the keys that were created with them."""
    _revoke_keys(session, Token.client_id == client_id)
    for model in (Token, AuthorizationCode):
        db.execute_bulk(session, delete(model).where(model.client_id == client_id))


def expire() -> int:
    """Delete a batch of expired tokens and codes, and return how many."""
    with db.transaction() as session:
        return expire_in(session)


def expire_in(session: Session) -> int:
    """Delete one batch in the given transaction, and return how many."""
    moment, deleted = db.now(), 0
    for column, key, before in (
        (Token.expires_at, Token.id, moment),
        (AuthorizationCode.expires_at, AuthorizationCode.code_hash, moment - _CODE_RETENTION),
    ):
        ended = list(session.scalars(select(key).where(column < before).limit(_BATCH)))
        if ended:
            db.execute_bulk(session, delete(key.class_).where(key.in_(ended)))
        deleted += len(ended)
    return deleted
