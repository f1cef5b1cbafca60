"""``/api/v1/platform/openapi.json``."""

from typing import Any

from flask import Blueprint, current_app, request

from airflow_platform_plugin.http.endpoint import RequestContext, endpoint
from airflow_platform_plugin.openapi import document

blueprint = Blueprint("platform_openapi", __name__, url_prefix="/api/v1/platform")


@endpoint(blueprint, "GET", "/openapi.json", scope=None, session=False)
def get_openapi(_: RequestContext) -> dict[str, Any]:
    """Get this document."""
    return document.build(current_app, request.script_root)
