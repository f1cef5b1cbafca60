"""OAuth 2.0 clients: create, read, list, change and delete them, and rotate their secrets."""

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.auth import ancestry, delegation
from airflow_platform_plugin.auth import service as api_keys
from airflow_platform_plugin.auth.oauth import redirects, tokens
from airflow_platform_plugin.auth.oauth.inputs import ClientChanges, NewClient
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
from airflow_platform_plugin.core.unset import UNSET

READ, WRITE = "oauth_clients:read", "oauth_clients:write"


def create(session: Session, data: NewClient, *, by: Principal) -> Client:
    """Create a client; its ``secret`` is set unless it is public, and is not stored.

    Raises:
        PermissionDenied: it would act as another user, or may do more than the caller's credential.
        ValidationFailed: the acting user does not exist, or the fields contradict each other.
    """
    secret = None if data.public else _new_secret()
    mine = by.credential
    scopes = data.scopes
    if scopes is UNSET:
        scopes = None if mine is None or mine.scopes is None else sorted(mine.scopes)
    client = Client(
        name=data.name,
        redirect_uris=data.redirect_uris,
        grant_types=data.grant_types,
        scopes=scopes,
        account=_acting_account(session, data.acting_user, by),
        parent=ancestry.parent_of_new(session, by),
        expires_at=None if mine is None else mine.expires_at,
        secret_hash=None if secret is None else crypto.digest(secret),
        created_by=by.username,
    )
    _require_within(by, client)
    _require_consistent(client)
    session.add(client)
    session.flush()
    return _show(session, client, secret)


def get(session: Session, client_id: str) -> Client:
    """Return the client with that id. All clients belong to the platform, so all callers may read them.

    Raises:
        NotFound: there is no such client.
    """
    return _show(session, _find(session, client_id))


def get_writable(session: Session, client_id: str, *, by: Principal) -> Client:
    """Return a client that the caller may change.

    Raises:
        NotFound: there is no such client.
        PermissionDenied: it acts as another user, or may do more than the caller's credential.
    """
    client = _find(session, client_id)
    _require_within(by, client)
    if client.account not in {None, by.account}:
        delegation.require_management(by)
    return client


def _find(session: Session, client_id: str) -> Client:
    client: Client | None = session.get(Client, client_id)
    if client is None:
        raise NotFound(f"OAuth client '{client_id}' not found", client_id=client_id)
    return client


def page(session: Session, query: pagination.Query) -> pagination.Page:
    """Return a page of clients, by default the oldest first."""
    found = pagination.fetch(session, select(Client).order_by(Client.created_at), query)
    api_keys.set_owner_names(session, found.items)
    return found


def update(session: Session, client: Client, data: ClientChanges, *, by: Principal) -> Client:
    """Change the fields that are given; existing tokens lose at once the scopes that the client loses.

    Raises:
        PermissionDenied, ValidationFailed: as for ``create``.
    """
    if "acting_user" in data:
        client.account = _acting_account(session, data["acting_user"], by)
    for name, value in data.items():
        if name != "acting_user":
            setattr(client, name, value)
    _require_within(by, client)
    _require_consistent(client)
    return _show(session, client)


def rotate_secret(session: Session, client: Client, *, by: Principal) -> Client:
    """Replace a client's secret; its new ``secret`` is set, and is not stored. Its tokens stay valid.

    Raises:
        PermissionDenied: another credential created the client.
        Conflict: the client is public.
    """
    if client.public:
        raise Conflict(
            f"OAuth client '{client.client_id}' is public and has no secret", client_id=client.client_id
        )
    ancestry.adopt(session, client, by)
    secret = _new_secret()
    client.secret_hash = crypto.digest(secret)
    return _show(session, client, secret)


def delete(session: Session, client: Client) -> None:
    """Delete a client, its codes and its tokens."""
    tokens.delete_all(session, str(client.client_id))
    session.delete(client)


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


def _show(session: Session, client: Client, secret: str | None = None) -> Client:
    """Set what responses show and the table does not store."""
    api_keys.set_owner_names(session, [client])
    client.secret = secret
    return client


def _require_within(by: Principal, client: Client) -> None:
    """Check that the caller's credential covers what the client may do. Clients have no rate limits."""
    delegation.require_within(by, delegation.Extent(client.scopes, None, client.expires_at))
    if by.credential is not None and by.credential.own_limits:
        raise PermissionDenied("A key with its own rate limits cannot create or change OAuth clients.")


def _acting_account(session: Session, name: str | None, by: Principal) -> Account | None:
    return None if name is None else delegation.resolve_account(session, name, by=by, field="acting_user")


def _require_consistent(client: Client) -> None:
    """Check that a client's fields do not contradict each other.

    Raises:
        ValidationFailed: some do; they are named.
    """
    errors = [
        FieldError.at(("redirect_uris", number), why)
        for number, uri in enumerate(client.redirect_uris)
        if (why := redirects.problem(uri, public=client.public))
    ]
    grants = client.grant_types
    if "authorization_code" in grants and not client.redirect_uris:
        errors.append(FieldError.at(["redirect_uris"], "authorization_code needs at least one"))
    if "refresh_token" in grants and "authorization_code" not in grants:
        errors.append(FieldError.at(["grant_types"], "refresh_token needs authorization_code"))
    if "client_credentials" in grants:
        if client.public:
            errors.append(FieldError.at(["grant_types"], "client_credentials is not for public clients"))
        if client.account is None:
            errors.append(FieldError.at(["acting_user"], "client_credentials needs an acting user"))
    if errors:
        raise ValidationFailed(errors)
