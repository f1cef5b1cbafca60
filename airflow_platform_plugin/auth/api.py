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
    ApiKeyAnswer,
    ApiKeyChange,
    ApiKeyInput,
    ApiKeyList,
    ApiKeyQuery,
    NewApiKeyAnswer,
    RotateInput,
)
from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint

blueprint = Blueprint("platform_api_keys", __name__, url_prefix="/api/v1/platform/api-keys")


@endpoint(
    blueprint,
    "POST",
    "",
    scope="api_keys:write",
    personal=True,
    body=ApiKeyInput,
    answer=NewApiKeyAnswer,
    status=HTTPStatus.CREATED,
)
def create_api_key(call: RequestContext) -> dict[str, Any]:
    """Make an API key; its text is in this answer and nowhere else."""
    row, text = service.create_for(call.session, call.body, by=call.principal)
    return {**_with_owners(call.session, [row])[0], "key": text}


@endpoint(blueprint, "GET", "", scope="api_keys:read", personal=True, query=ApiKeyQuery, answer=ApiKeyList)
def list_api_keys(call: RequestContext) -> pagination.Page:
    """List API keys."""
    page = service.page(call.session, call.query, by=call.principal)
    return page._replace(items=_with_owners(call.session, page.items))


@endpoint(blueprint, "GET", "/<key_id>", scope="api_keys:read", personal=True, answer=ApiKeyAnswer)
def get_api_key(call: RequestContext) -> dict[str, Any]:
    """Get an API key, without its secret."""
    row = service.get(call.session, call.path["key_id"], by=call.principal, scope=service.MANAGE_READ)
    return _with_owners(call.session, [row])[0]


@endpoint(
    blueprint,
    "PATCH",
    "/<key_id>",
    scope="api_keys:write",
    personal=True,
    body=ApiKeyChange,
    answer=ApiKeyAnswer,
)
def update_api_key(call: RequestContext) -> dict[str, Any]:
    """Change an API key's name or limits."""
    row = service.change(call.session, call.path["key_id"], call.body, by=call.principal)
    return _with_owners(call.session, [row])[0]


@endpoint(
    blueprint,
    "POST",
    "/<key_id>/rotate",
    scope="api_keys:write",
    personal=True,
    body=RotateInput,
    answer=NewApiKeyAnswer,
)
def rotate_api_key(call: RequestContext) -> dict[str, Any]:
    """Give an API key a new secret; the old one works on for a while."""
    overlap = timedelta(seconds=call.body["overlap_seconds"])
    row, text = service.rotate(call.session, call.path["key_id"], overlap=overlap, by=call.principal)
    return {**_with_owners(call.session, [row])[0], "key": text}


@endpoint(
    blueprint,
    "DELETE",
    "/<key_id>",
    scope="api_keys:write",
    personal=True,
    status=HTTPStatus.NO_CONTENT,
)
def revoke_api_key(call: RequestContext) -> None:
    """Revoke an API key."""
    service.revoke(call.session, call.path["key_id"], by=call.principal)


def _with_owners(session: Session, rows: Sequence[ApiKey]) -> list[dict[str, Any]]:
    columns = ApiKey.__table__.columns.keys()
    return [
        {**{column: getattr(row, column) for column in columns}, "owner": name}
        for row, name in zip(rows, service.owner_names(session, rows), strict=True)
    ]
