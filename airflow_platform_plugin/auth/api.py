"""``/api/v1/platform/api-keys``: users manage their own keys, and others' keys with the permission."""

from datetime import timedelta
from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin.auth import service
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.auth.schemas import (
    ApiKeyChange,
    ApiKeyInput,
    ApiKeyList,
    ApiKeyQuery,
    ApiKeyResponse,
    NewApiKeyResponse,
    RotateInput,
)
from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint

blueprint = Blueprint("platform_api_keys", __name__, url_prefix="/api/v1/platform/api-keys")


@endpoint(
    blueprint,
    "POST",
    "",
    scope=service.WRITE,
    access=Access.OWN,
    body=ApiKeyInput,
    response=NewApiKeyResponse,
    status=HTTPStatus.CREATED,
)
def create_api_key(context: RequestContext) -> ApiKey:
    """Create an API key. Only this response contains the key's text."""
    return service.create(context.session, context.body, by=context.principal)


@endpoint(blueprint, "GET", "", scope=service.READ, access=Access.OWN, query=ApiKeyQuery, response=ApiKeyList)
def list_api_keys(context: RequestContext) -> pagination.Page:
    """List API keys."""
    return service.page(context.session, context.query, by=context.principal)


@endpoint(blueprint, "GET", "/<key_id>", scope=service.READ, access=Access.OWN, response=ApiKeyResponse)
def get_api_key(context: RequestContext) -> ApiKey:
    """Get an API key, without its secret."""
    return service.get(context.session, context.path["key_id"], by=context.principal)


@endpoint(
    blueprint,
    "PATCH",
    "/<key_id>",
    scope=service.WRITE,
    access=Access.OWN,
    body=ApiKeyChange,
    response=ApiKeyResponse,
)
def update_api_key(context: RequestContext) -> ApiKey:
    """Change an API key's name or limits."""
    row = service.get_writable(context.session, context.path["key_id"], by=context.principal)
    return service.update(context.session, row, context.body, by=context.principal)


@endpoint(
    blueprint,
    "POST",
    "/<key_id>/rotate",
    scope=service.WRITE,
    access=Access.OWN,
    body=RotateInput,
    response=NewApiKeyResponse,
)
def rotate_api_key(context: RequestContext) -> ApiKey:
    """Give an API key a new secret; the old one works until the overlap ends."""
    row = service.get_writable(context.session, context.path["key_id"], by=context.principal)
    overlap = timedelta(seconds=context.body["overlap_seconds"])
    return service.rotate(context.session, row, overlap=overlap, by=context.principal)


@endpoint(
    blueprint,
    "DELETE",
    "/<key_id>",
    scope=service.WRITE,
    access=Access.OWN,
    status=HTTPStatus.NO_CONTENT,
)
def revoke_api_key(context: RequestContext) -> None:
    """Revoke an API key."""
    row = service.get_for_revocation(context.session, context.path["key_id"], by=context.principal)
    service.revoke(context.session, row)
