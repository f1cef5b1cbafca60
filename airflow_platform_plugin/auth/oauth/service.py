"""OAuth 2.0 clients: made, found, changed, deleted."""

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.auth import ancestry
from airflow_platform_plugin.auth import service as keys_service
from airflow_platform_plugin.auth.oauth import redirects, tokens
from airflow_platform_plugin.auth.oauth.models import Client
from airflow_platform_plugin.core import crypto, pagination
from airflow_platform_plugin.core.errors import (
    Conflict,
    FieldError,
    NotFound,
    PermissionDenied,
    ValidationFailed,
)
from airflow_platform_plugin.core.principal import Principal


def create(session: Session, fields: dict[str, Any], *, by: Principal) -> tuple[Client, str | None]:
    """Make a client; returns the row and its secret, which is not kept, or None for a public client.

    Raises:
        PermissionDenied: it would act as somebody else, or may more than the caller's own credential.
        ValidationFailed: there is no such acting user, or the fields do not fit each other.
    """
    secret = None if fields.pop("public") else _new_secret()
    acting_user = fields.pop("acting_user", None)
    mine = by.credential
    fields.setdefault("scopes", None if mine is None or mine.scopes is None else sorted(mine.scopes))
    client = Client(
        **fields,
        account=_acting_account(session, acting_user, by),
        parent=ancestry.parent_of_new(session, by),
        expires_at=None if mine is None else mine.expires_at,
        secret_hash=None if secret is None else crypto.digest(secret),
        created_by=by.username,
    )
    _require_within(by, client)
    _require_consistent(client)
    session.add(client)
    session.flush()
    return client, secret


def get(session: Session, client_id: str) -> Client:
    """The client of that id.

    Raises:
        NotFound: there is none.
    """
    client: Client | None = session.get(Client, client_id)
    if client is None:
        raise NotFound(f"OAuth client '{client_id}' not found", client_id=client_id)
    return client


def page(session: Session, **wanted: Any) -> pagination.Page:  # noqa: ANN401 - as paging.fetch has them
    """Clients, the oldest first if nothing else is asked for; ``wanted`` as ``paging.fetch`` takes it."""
    return pagination.fetch(session, select(Client).order_by(Client.created_at), pagination.Query(**wanted))


def change(session: Session, client_id: str, fields: dict[str, Any], *, by: Principal) -> Client:
    """Set what is given; tokens lose at once the scopes that the client loses.

    Raises:
        NotFound: there is no such client.
        PermissionDenied, ValidationFailed: as for ``create``, of the client before or after.
    """
    client = _changeable(session, client_id, by)
    if "acting_user" in fields:
        client.account = _acting_account(session, fields.pop("acting_user"), by)
    for name, value in fields.items():
        setattr(client, name, value)
    _require_within(by, client)
    _require_consistent(client)
    return client


def rotate_secret(session: Session, client_id: str, *, by: Principal) -> tuple[Client, str]:
    """Give a client a new secret in place of the old one; returns the row and the secret.

    Raises:
        NotFound, PermissionDenied: as for ``change``.
        Conflict: the client is public.
    """
    client = _changeable(session, client_id, by)
    if client.public:
        raise Conflict(f"OAuth client '{client_id}' is public and has no secret", client_id=client_id)
    ancestry.adopt(session, client, by)
    secret = _new_secret()
    client.secret_hash = crypto.digest(secret)
    return client, secret


def delete(session: Session, client_id: str) -> None:
    """Delete a client, its codes and its tokens.

    Raises:
        NotFound: there is none.
    """
    client = get(session, client_id)
    tokens.delete_all(session, client_id)
    session.delete(client)


def acting_users(session: Session, clients: Sequence[Client]) -> list[str | None]:
    """The names of the clients' acting users, in order; None where there is none, or none any more."""
    return keys_service.owner_names(session, clients)


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


def _changeable(session: Session, client_id: str, by: Principal) -> Client:
    client = get(session, client_id)
    _require_within(by, client)
    if client.account not in {None, by.account}:
        keys_service.require_others(by)
    return client


def _require_within(by: Principal, client: Client) -> None:
    """Tokens have no rate limits of their own: what is limited so makes no client."""
    keys_service.require_within(by, keys_service.Asked(client.scopes, None, client.expires_at))
    if by.credential is not None and by.credential.own_limits:
        raise PermissionDenied("A key with rate limits of its own cannot make or change OAuth clients.")


def _acting_account(session: Session, name: str | None, by: Principal) -> Account | None:
    return None if name is None else keys_service.owner(session, name, by=by, field="acting_user")


def _require_consistent(client: Client) -> None:
    """Refuse a client whose fields do not fit each other."""
    errors = [
        FieldError.at(("redirect_uris", number), why)
        for number, uri in enumerate(client.redirect_uris)
        if (why := redirects.problem(uri, public=client.public))
    ]
    grants = client.grant_types
    if "authorization_code" in grants and not client.redirect_uris:
        errors.append(FieldError.at(["redirect_uris"], "authorization_code needs at least one"))
    if "refresh_token" in grants and "authorization_code" not in grants:
        errors.append(FieldError.at(["grant_types"], "refresh_token goes with authorization_code"))
    if "client_credentials" in grants:
        if client.public:
            errors.append(FieldError.at(["grant_types"], "client_credentials is not for public clients"))
        if client.account is None:
            errors.append(FieldError.at(["acting_user"], "client_credentials needs one"))
    if errors:
        raise ValidationFailed(errors)
