"""``/api/v1/platform/oauth-clients``."""

from http import HTTPStatus

from flask import Blueprint

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
    scope=service.WRITE,
    body=ClientInput,
    response=NewClientResponse,
    status=HTTPStatus.CREATED,
)
def create_oauth_client(context: RequestContext) -> Client:
    """Create an OAuth client. Only this response contains its secret."""
    return service.create(context.session, context.body, by=context.principal)


@endpoint(blueprint, "GET", "", scope=service.READ, query=ClientQuery, response=ClientList)
def list_oauth_clients(context: RequestContext) -> pagination.Page:
    """List OAuth clients."""
    return service.page(context.session, context.query)


@endpoint(blueprint, "GET", "/<client_id>", scope=service.READ, response=ClientResponse)
def get_oauth_client(context: RequestContext) -> Client:
    """Get an OAuth client, without its secret."""
    return service.get(context.session, context.path["client_id"])


@endpoint(
    blueprint,
    "PATCH",
    "/<client_id>",
    scope=service.WRITE,
    body=ClientChange,
    response=ClientResponse,
)
def update_oauth_client(context: RequestContext) -> Client:
    """Change an OAuth client."""
    client = service.get_writable(context.session, context.path["client_id"], by=context.principal)
    return service.update(context.session, client, context.body, by=context.principal)


@endpoint(blueprint, "POST", "/<client_id>/rotate-secret", scope=service.WRITE, response=NewClientResponse)
def rotate_oauth_client_secret(context: RequestContext) -> Client:
    """Give an OAuth client a new secret. The old one ends at once; tokens stay valid."""
    client = service.get_writable(context.session, context.path["client_id"], by=context.principal)
    return service.rotate_secret(context.session, client, by=context.principal)


@endpoint(blueprint, "DELETE", "/<client_id>", scope=service.WRITE, status=HTTPStatus.NO_CONTENT)
def delete_oauth_client(context: RequestContext) -> None:
    """Delete an OAuth client and its tokens."""
    client = service.get(context.session, context.path["client_id"])
    service.delete(context.session, client)
