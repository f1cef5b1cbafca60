"""The settings of rate limits."""

from collections.abc import Iterator

from pydantic import Field

from airflow_platform_plugin.core import settings
from airflow_platform_plugin.core.settings import Settings


class RateLimitSettings(Settings):
    """The settings of rate limits."""

    rate_limits: bool = Field(
        default=True, description="Limit how often each key, user and address may call the API."
    )
    rate_limit_read: str = Field(
        default="1000/minute", description="How often one may call what reads: GET, and lists by POST."
    )
    rate_limit_write: str = Field(
        default="100/minute", description="How often one may call what writes: POST, PUT and PATCH."
    )
    rate_limit_delete: str = Field(default="50/minute", description="How often one may call DELETE.")
    rate_limit_query: str = Field(
        default="100/hour", description="How often one may send an analytics query."
    )
    rate_limit_bulk: str = Field(
        default="10/minute", description="How often one may change many things in one request."
    )
    rate_limit_user_query: str = Field(
        default="500/hour",
        description="How many analytics queries one user may send, with all keys, tokens, passwords and "
        "browsers together.",
    )
    rate_limit_user_bulk: str = Field(
        default="50/minute",
        description="How often one user may change many things in one request, with all of these together.",
    )
    rate_limit_failed: str = Field(
        default="30/minute",
        description="How many wrong keys, passwords and clients' secrets may come from one address.",
    )
    rate_limit_browsers: bool = Field(
        default=False, description="Limit the sessions of browsers too, each user's together."
    )
    rate_limit_storage: str = Field(
        default="platform-file://",
        description="Where requests are counted: in `AIRFLOW_HOME/platform/rate-limits`, in another file "
        "(`platform-file:///a/path`) of the webserver's host, or in whatever the library `limits` knows, "
        "such as `redis://host:6379/0`, for several hosts.",
    )


def service_urls() -> Iterator[str]:
    """Return the URL of the storage in which requests are counted."""
    yield settings.get(RateLimitSettings).rate_limit_storage
