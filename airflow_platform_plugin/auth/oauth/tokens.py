"""Authorization codes and tokens: issued, found, used up, revoked, expired.

All tokens that come from one consent, by refreshing too, are a family. Whoever uses a code or a refresh
token for the second time shows that it was stolen, from this or from the first one: the family is revoked
(RFC 6749 §4.1.2, RFC 9700 §4.14.2).
"""

import hmac
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.auth import ancestry, key_format
from airflow_platform_plugin.auth.models import TOKEN
from airflow_platform_plugin.auth.oauth.models import ACCESS, REFRESH, AuthorizationCode, Client, Token
from airflow_platform_plugin.auth.oauth.settings import OAuthSettings
from airflow_platform_plugin.core import crypto, db, settings

CODE_LIFETIME = timedelta(seconds=60)
# For so long the second use of a code is still recognised as one.
_CODE_KEPT = timedelta(days=1)
_KINDS = {key_format.ACCESS_TOKEN: ACCESS, key_format.REFRESH_TOKEN: REFRESH}
_BATCH = 500


class Granted(NamedTuple):
    """What a code or a token is for.

    Attributes:
        client: who may use it.
        account: as whom it acts.
        scopes: what it is for.
    """

    client: Client
    account: Account
    scopes: list[str]


def issue_code(
    session: Session, text: str, granted: Granted, *, redirect_uri: str | None, code_challenge: str | None
) -> None:
    """Store what ``text``, a new authorization code, stands for."""
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
    """The client's live code; one that was redeemed before revokes what was made from it."""
    row: AuthorizationCode | None = session.get(AuthorizationCode, crypto.digest(text))
    if row is None or row.client_id != client.client_id:
        return None
    if row.redeemed_at is not None:
        revoke_family(session, row.family)
        return None
    return row if db.now() < row.expires_at else None


def lifetime(kind: str, client: Client) -> timedelta:
    """How long a new token of the client's counts: not longer than the client."""
    given = settings.get(OAuthSettings)
    usual = (
        timedelta(seconds=given.oauth_access_token_seconds)
        if kind == ACCESS
        else timedelta(days=given.oauth_refresh_token_days)
    )
    return usual if client.expires_at is None else min(usual, client.expires_at - db.now())


def issue(session: Session, text: str, granted: Granted, *, family: str) -> None:
    """Store what ``text``, a new token, stands for.

    Raises:
        ValueError: it is no text of a token's.
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
    """The token of those parts, dead or alive, and its client; in one query."""
    wanted = select(Token, Client).join(Client, Client.client_id == Token.client_id)
    found = session.execute(wanted.where(Token.id == parsed.id)).first()
    given = crypto.digest(parsed.secret)
    # Compared also where there is no row, so that timing does not tell known ids from unknown ones.
    same = hmac.compare_digest(str(found.Token.secret_hash if found else ""), given)
    if found is None or not same or found.Token.kind != _KINDS.get(parsed.prefix):
        return None
    return found.Token, found.Client


def find_by_id(session: Session, token_id: str) -> tuple[Token, Client] | None:
    """The access token of that id, dead or alive, and its client."""
    wanted = select(Token, Client).join(Client, Client.client_id == Token.client_id)
    found = session.execute(wanted.where(Token.id == token_id, Token.kind == ACCESS)).first()
    return None if found is None else (found.Token, found.Client)


def find_text(session: Session, text: str) -> Token | None:
    """The token of that text, dead or alive."""
    parsed = key_format.parse(text)
    found = None if parsed is None else find(session, parsed)
    return None if found is None else found[0]


def use_up(session: Session, source: AuthorizationCode | Token) -> bool:
    """Use up a code or refresh token, before anything is made from it.

    Returns:
        Whether this was its first use. If not, nothing of the family counts any more.
    """
    if isinstance(source, Token):
        unused = update(Token).where(Token.id == source.id, Token.revoked_at.is_(None))
        use = unused.values(revoked_at=db.now())
    else:
        unused = update(AuthorizationCode).where(
            AuthorizationCode.code_hash == source.code_hash, AuthorizationCode.redeemed_at.is_(None)
        )
        use = unused.values(redeemed_at=db.now())
    # The database decides who is first: another request may have read the row in the same moment.
    if session.execute(use.execution_options(synchronize_session=False)).rowcount == 1:
        return True
    revoke_family(session, str(source.family))
    return False


def revoke(session: Session, token: Token) -> None:
    """End an access token, or all that a refresh token's family has (RFC 7009 §2.1)."""
    if token.kind == REFRESH:
        revoke_family(session, str(token.family))
    else:
        token.revoked_at = token.revoked_at or db.now()
        ancestry.revoke_below(session, [f"{TOKEN}:{token.id}"])


def revoke_family(session: Session, family: str) -> None:
    """End every token that comes from one consent."""
    live = update(Token).where(Token.family == family, Token.revoked_at.is_(None))
    end = live.values(revoked_at=db.now()).execution_options(synchronize_session=False)
    # The first may wait for a request that is refreshing; the second then sees what that one has made.
    session.execute(end)
    session.execute(end)
    _revoke_below(session, Token.family == family)


def _revoke_below(session: Session, which: Any) -> None:  # noqa: ANN401 - a condition
    """Revoke the keys that were made with those access tokens."""
    ids = session.scalars(select(Token.id).where(which, Token.kind == ACCESS))
    ancestry.revoke_below(session, [f"{TOKEN}:{token_id}" for token_id in ids])


def delete_all(session: Session, client_id: str) -> None:
    """Delete every code and token of a client's, and revoke the keys that were made with them."""
    _revoke_below(session, Token.client_id == client_id)
    for model in (Token, AuthorizationCode):
        session.execute(
            delete(model).where(model.client_id == client_id).execution_options(synchronize_session=False)
        )


def expire() -> int:
    """Delete a batch of tokens and of codes whose time is over; returns how many."""
    with db.transaction() as session:
        return expire_in(session)


def expire_in(session: Session) -> int:
    """One batch, in the caller's transaction."""
    moment, done = db.now(), 0
    for column, key, before in (
        (Token.expires_at, Token.id, moment),
        (AuthorizationCode.expires_at, AuthorizationCode.code_hash, moment - _CODE_KEPT),
    ):
        ended = list(session.scalars(select(key).where(column < before).limit(_BATCH)))
        if ended:
            session.execute(
                delete(key.class_).where(key.in_(ended)).execution_options(synchronize_session=False)
            )
        done += len(ended)
    return done
