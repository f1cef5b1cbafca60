"""``/api/v1/platform/rate-limit``: what the caller has left of its limits."""

from typing import Any

from flask import Blueprint

from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint
from airflow_platform_plugin.ratelimit import request_counter
from airflow_platform_plugin.ratelimit.schemas import RateLimitResponse

blueprint = Blueprint("platform_rate_limit", __name__, url_prefix="/api/v1/platform/rate-limit")


@endpoint(
    blueprint,
    "GET",
    "",
    scope=None,
    response=RateLimitResponse,
    session=False,
    request_class=RequestClass.FREE,
)
def get_rate_limit(context: RequestContext) -> dict[str, Any]:
    """Get what the caller has left of its rate limits. This request is not counted."""
    return request_counter.current_usage(context.principal)
