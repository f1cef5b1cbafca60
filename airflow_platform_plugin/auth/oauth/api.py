"""``/api/v1/platform/oauth-clients``."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from airflow_platform_plugin.auth.oauth import service
from airflow_platform_plugin.auth.oauth.models import Client
from airflow_platform_plugin.auth.oauth.schemas import (
    ClientAnswer,
    ClientChange,
    ClientInput,
    ClientList,
    ClientQuery,
    NewClientAnswer,
)
from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint

blueprint = Blueprint("platform_oauth_clients", __name__, url_prefix="/api/v1/platform/oauth-clients")


@endpoint(
    blueprint,
    "POST",
    "",
    scope="oauth_clients:write",
    body=ClientInput,
    answer=NewClientAnswer,
    status=HTTPStatus.CREATED,
)
def create_oauth_client(call: RequestContext) -> dict[str, Any]:
    """Make an OAuth client; its secret is in this answer and nowhere else."""
    return _new(call, *service.create(call.session, call.body, by=call.principal))


@endpoint(blueprint, "GET", "", scope="oauth_clients:read", query=ClientQuery, answer=ClientList)
def list_oauth_clients(call: RequestContext) -> pagination.Page:
    """List OAuth clients."""
    page = service.page(call.session, **call.query)
    return page._replace(items=_with_acting_users(call.session, page.items))


@endpoint(blueprint, "GET", "/<client_id>", scope="oauth_clients:read", answer=ClientAnswer)
def get_oauth_client(call: RequestContext) -> dict[str, Any]:
    """Get an OAuth client, without its secret."""
    return _with_acting_users(call.session, [service.get(call.session, call.path["client_id"])])[0]


@endpoint(
    blueprint, "PATCH", "/<client_id>", scope="oauth_clients:write", body=ClientChange, answer=ClientAnswer
)
def update_oauth_client(call: RequestContext) -> dict[str, Any]:
    """Change an OAuth client."""
    client = service.change(call.session, call.path["client_id"], call.body, by=call.principal)
    return _with_acting_users(call.session, [client])[0]


@endpoint(
    blueprint, "POST", "/<client_id>/rotate-secret", scope="oauth_clients:write", answer=NewClientAnswer
)
def rotate_oauth_client_secret(call: RequestContext) -> dict[str, Any]:
    """Give an OAuth client a new secret; the old one ends at once, tokens live on."""
    return _new(call, *service.rotate_secret(call.session, call.path["client_id"], by=call.principal))


@endpoint(blueprint, "DELETE", "/<client_id>", scope="oauth_clients:write", status=HTTPStatus.NO_CONTENT)
def delete_oauth_client(call: RequestContext) -> None:
    """Delete an OAuth client and its tokens."""
    service.delete(call.session, call.path["client_id"])


def _new(call: RequestContext, client: Client, secret: str | None) -> dict[str, Any]:
    return {**_with_acting_users(call.session, [client])[0], "client_secret": secret}


def _with_acting_users(session: Session, clients: Sequence[Client]) -> list[dict[str, Any]]:
    columns = Client.__table__.columns.keys()
    return [
        {
            **{name: getattr(row, name) for name in columns},
            "public": row.public,
            "acting_user": name,
        }
        for row, name in zip(clients, service.acting_users(session, clients), strict=True)
    ]
