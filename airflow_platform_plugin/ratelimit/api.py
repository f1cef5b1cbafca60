"""``/api/v1/platform/rate-limit``: what the caller has left."""

from typing import Any

from flask import Blueprint

from airflow_platform_plugin.endpoint import Call, endpoint
from airflow_platform_plugin.ratelimit import tally
from airflow_platform_plugin.ratelimit.schemas import RateLimitAnswer
from airflow_platform_plugin.rates import Rate

blueprint = Blueprint("platform_rate_limit", __name__, url_prefix="/api/v1/platform/rate-limit")


@endpoint(blueprint, "GET", "", scope=None, answer=RateLimitAnswer, session=False, rate=Rate.FREE)
def get_rate_limit(call: Call) -> dict[str, Any]:
    """Get what the caller has left of its rate limits; this costs nothing."""
    return tally.standing(call.principal)
