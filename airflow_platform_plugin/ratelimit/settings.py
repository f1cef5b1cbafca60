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
        default="1000/minute", description="Limit for requests that read: GET, and lists by POST."
    )
    rate_limit_write: str = Field(
        default="100/minute", description="Limit for requests that write: POST, PUT and PATCH."
    )
    rate_limit_delete: str = Field(default="50/minute", description="Limit for DELETE requests.")
    rate_limit_query: str = Field(default="100/hour", description="Limit for analytics queries.")
    rate_limit_bulk: str = Field(
        default="10/minute", description="Limit for requests that change many things at once."
    )
    rate_limit_user_query: str = Field(
        default="500/hour",
        description="Limit for one user's analytics queries, with all keys, tokens, passwords and browsers "
        "together.",
    )
    rate_limit_user_bulk: str = Field(
        default="50/minute",
        description="Limit for one user's requests that change many things at once, with all keys, tokens, "
        "passwords and browsers together.",
    )
    rate_limit_failed: str = Field(
        default="30/minute",
        description="Limit for wrong keys, passwords and client secrets from one address.",
    )
    rate_limit_browsers: bool = Field(
        default=False,
        description="Limit browser sessions too; a user's sessions share one count.",
    )
    rate_limit_storage: str = Field(
        default="platform-file://",
        description="Where requests are counted: in `AIRFLOW_HOME/platform/rate-limits`, in another file on "
        "the webserver's host (`platform-file:///a/path`), or, for several hosts, in any storage "
        "of the library `limits`, such as `redis://host:6379/0`.",
    )


def service_urls() -> Iterator[str]:
    """Return the URL of the storage in which requests are counted."""
    yield settings.get(RateLimitSettings).rate_limit_storage
