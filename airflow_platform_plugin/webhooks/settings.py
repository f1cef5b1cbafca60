"""The settings of webhooks."""

from typing import Annotated

from pydantic import Field

from airflow_platform_plugin.core.settings import Seconds, Settings


class WebhookSettings(Settings):
    """The settings of webhooks."""

    webhook_timeout: Seconds = Field(
        default=10.0,
        description="Seconds that one attempt of a delivery may take: resolving the name, connecting, "
        "sending and the response.",
    )
    webhook_proxy: Annotated[str, Field(pattern=r"^https?://")] | None = Field(
        default=None,
        description="The proxy for deliveries, such as `http://user:password@proxy.example.com:3128`. By "
        "default no proxy is used; variables such as `HTTPS_PROXY` are ignored.",
    )
