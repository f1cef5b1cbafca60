"""``/api/v1/platform/api-keys``: everybody's own, and others' with the permission."""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

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
    scope="api_keys:write",
    access=Access.OWN,
    body=ApiKeyInput,
    response=NewApiKeyResponse,
    status=HTTPStatus.CREATED,
)
def create_api_key(context: RequestContext) -> dict[str, Any]:
    """Make an API key; its text is in this answer and nowhere else."""
    row, text = service.create_for(context.session, context.body, by=context.principal)
    return {**_with_owners(context.session, [row])[0], "key": text}


@endpoint(
    blueprint, "GET", "", scope="api_keys:read", access=Access.OWN, query=ApiKeyQuery, response=ApiKeyList
)
def list_api_keys(context: RequestContext) -> pagination.Page:
    """List API keys."""
    page = service.page(context.session, context.query, by=context.principal)
    return page._replace(items=_with_owners(context.session, page.items))


@endpoint(blueprint, "GET", "/<key_id>", scope="api_keys:read", access=Access.OWN, response=ApiKeyResponse)
def get_api_key(context: RequestContext) -> dict[str, Any]:
    """Get an API key, without its secret."""
    row = service.get(
        context.session, context.path["key_id"], by=context.principal, scope=service.MANAGE_READ
    )
    return _with_owners(context.session, [row])[0]


@endpoint(
    blueprint,
    "PATCH",
    "/<key_id>",
    scope="api_keys:write",
    access=Access.OWN,
    body=ApiKeyChange,
    response=ApiKeyResponse,
)
def update_api_key(context: RequestContext) -> dict[str, Any]:
    """Change an API key's name or limits."""
    row = service.change(context.session, context.path["key_id"], context.body, by=context.principal)
    return _with_owners(context.session, [row])[0]


@endpoint(
    blueprint,
    "POST",
    "/<key_id>/rotate",
    scope="api_keys:write",
    access=Access.OWN,
    body=RotateInput,
    response=NewApiKeyResponse,
)
def rotate_api_key(context: RequestContext) -> dict[str, Any]:
    """Give an API key a new secret; the old one works on for a while."""
    overlap = timedelta(seconds=context.body["overlap_seconds"])
    row, text = service.rotate(context.session, context.path["key_id"], overlap=overlap, by=context.principal)
    return {**_with_owners(context.session, [row])[0], "key": text}


@endpoint(
    blueprint,
    "DELETE",
    "/<key_id>",
    scope="api_keys:write",
    access=Access.OWN,
    status=HTTPStatus.NO_CONTENT,
)
def revoke_api_key(context: RequestContext) -> None:
    """Revoke an API key."""
    service.revoke(context.session, context.path["key_id"], by=context.principal)


def _with_owners(session: Session, rows: Sequence[ApiKey]) -> list[dict[str, Any]]:
    columns = ApiKey.__table__.columns.keys()
    return [
        {**{column: getattr(row, column) for column in columns}, "owner": name}
        for row, name in zip(rows, service.owner_names(session, rows), strict=True)
    ]
