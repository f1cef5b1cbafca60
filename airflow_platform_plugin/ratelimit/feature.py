"""What the feature adds to the platform."""

from airflow_platform_plugin.core.feature import Feature

FEATURE = Feature(
    name="ratelimit",
    tag="ratelimit",
    blueprints=("ratelimit.api:blueprint",),
    request_hooks="ratelimit.hooks:install",
    service_urls="ratelimit.settings:service_urls",
    settings="ratelimit.settings:RateLimitSettings",
    checks={"rate-limits": "ratelimit.limiter:check"},
)
