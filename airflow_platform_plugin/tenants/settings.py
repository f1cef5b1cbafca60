"""The settings of tenants."""

from pydantic import Field

from airflow_platform_plugin.core.settings import Settings


class TenantSettings(Settings):
    """The settings of tenants."""

    tenant_admins_manage_members: bool = Field(
        default=True,
        description="Let the admins of a tenant add, change and remove its members through the API. If it is"
        " off, only platform admins do.",
    )
