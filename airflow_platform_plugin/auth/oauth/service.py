"""OAuth 2.0 clients: made, found, changed, deleted."""

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat, crypto, paging
from airflow_platform_plugin.auth import service as keys_service
from airflow_platform_plugin.auth.oauth import redirects, tokens
from airflow_platform_plugin.auth.oauth.models import Client
from airflow_platform_plugin.errors import Conflict, FieldError, NotFound, ValidationFailed
from airflow_platform_plugin.principal import Principal


def create(session: Session, fields: dict[str, Any], *, by: Principal) -> tuple[Client, str | None]:
    """Make a client; returns the row and its secret, which is not kept, or None for a public client.

    Raises:
        PermissionDenied: it would act as somebody else, or may more than the caller's own credential.
        ValidationFailed: there is no such acting user, or the fields do not fit each other.
    """
    secret = None if fields.pop("public") else _new_secret()
    acting_user = fields.pop("acting_user", None)
    client = Client(
        **fields,
        user_id=_acting_user_id(session, acting_user, by),
        secret_hash=None if secret is None else crypto.digest(secret),
        created_by=by.username,
    )
    keys_service.require_within(by, client.scopes, None)
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


def page(session: Session, **wanted: Any) -> paging.Page:  # noqa: ANN401 - as paging.fetch has them
    """Clients, the oldest first if nothing else is asked for; ``wanted`` as ``paging.fetch`` takes it."""
    return paging.fetch(session, select(Client).order_by(Client.created_at), **wanted)


def change(session: Session, client_id: str, fields: dict[str, Any], *, by: Principal) -> Client:
    """Set what is given; tokens lose at once the scopes that the client loses.

    Raises:
        NotFound: there is no such client.
        PermissionDenied, ValidationFailed: as for ``create``, of the client before or after.
    """
    client = _changeable(session, client_id, by)
    if "acting_user" in fields:
        client.user_id = _acting_user_id(session, fields.pop("acting_user"), by)
    for name, value in fields.items():
        setattr(client, name, value)
    keys_service.require_within(by, client.scopes, None)
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


def acting_users(session: Session, clients: Sequence[Client]) -> dict[int, str]:
    """The names of the clients' acting users, by id."""
    return airflow_compat.usernames(session, {row.user_id for row in clients if row.user_id is not None})


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


def _changeable(session: Session, client_id: str, by: Principal) -> Client:
    client = get(session, client_id)
    keys_service.require_within(by, client.scopes, None)
    if client.user_id not in (None, by.user.id):
        keys_service.require_others(by)
    return client


def _acting_user_id(session: Session, name: str | None, by: Principal) -> int | None:
    if name is None:
        return None
    if name == by.username:
        return int(by.user.id)
    keys_service.require_others(by)
    found = airflow_compat.user_ids(session, [name])
    if name not in found:
        raise ValidationFailed.of("acting_user", message=f"there is no user {name!r}")
    return found[name]


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
        if client.user_id is None:
            errors.append(FieldError.at(["acting_user"], "client_credentials needs one"))
    if errors:
        raise ValidationFailed(errors)
