"""``/api/v1/platform/oauth-clients``."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from airflow_platform_plugin.auth.oauth import service
from airflow_platform_plugin.auth.oauth.models import Client
from airflow_platform_plugin.auth.oauth.schemas import (
    ClientChange,
    ClientInput,
    ClientList,
    ClientQuery,
    ClientResponse,
    NewClientResponse,
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
    response=NewClientResponse,
    status=HTTPStatus.CREATED,
)
def create_oauth_client(context: RequestContext) -> dict[str, Any]:
    """Make an OAuth client; its secret is in this answer and nowhere else."""
    return _new(context, *service.create(context.session, context.body, by=context.principal))


@endpoint(blueprint, "GET", "", scope="oauth_clients:read", query=ClientQuery, response=ClientList)
def list_oauth_clients(context: RequestContext) -> pagination.Page:
    """List OAuth clients."""
    page = service.page(context.session, **context.query)
    return page._replace(items=_with_acting_users(context.session, page.items))


@endpoint(blueprint, "GET", "/<client_id>", scope="oauth_clients:read", response=ClientResponse)
def get_oauth_client(context: RequestContext) -> dict[str, Any]:
    """Get an OAuth client, without its secret."""
    return _with_acting_users(context.session, [service.get(context.session, context.path["client_id"])])[0]


@endpoint(
    blueprint,
    "PATCH",
    "/<client_id>",
    scope="oauth_clients:write",
    body=ClientChange,
    response=ClientResponse,
)
def update_oauth_client(context: RequestContext) -> dict[str, Any]:
    """Change an OAuth client."""
    client = service.change(context.session, context.path["client_id"], context.body, by=context.principal)
    return _with_acting_users(context.session, [client])[0]


@endpoint(
    blueprint, "POST", "/<client_id>/rotate-secret", scope="oauth_clients:write", response=NewClientResponse
)
def rotate_oauth_client_secret(context: RequestContext) -> dict[str, Any]:
    """Give an OAuth client a new secret; the old one ends at once, tokens live on."""
    return _new(
        context, *service.rotate_secret(context.session, context.path["client_id"], by=context.principal)
    )


@endpoint(blueprint, "DELETE", "/<client_id>", scope="oauth_clients:write", status=HTTPStatus.NO_CONTENT)
def delete_oauth_client(context: RequestContext) -> None:
    """Delete an OAuth client and its tokens."""
    service.delete(context.session, context.path["client_id"])


def _new(context: RequestContext, client: Client, secret: str | None) -> dict[str, Any]:
    return {**_with_acting_users(context.session, [client])[0], "client_secret": secret}


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
